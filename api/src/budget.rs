//! A campaign's budget, and what commissions have taken of it: in the budget's currency, since currencies are never added.

use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::PgPool;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::amounts::Exact;
use crate::balances::{self, Balance};

/// A budget and what is left of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresupuestoDetalle)]
pub(crate) struct Detail {
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: String,
    /// 0: none was given.
    #[serde(rename = "presupuesto")]
    budget: Exact,
    #[serde(flatten)]
    spent: Spent,
    /// What is neither reserved nor paid; below 0 where more was approved. Null without a budget.
    #[serde(rename = "restante")]
    left: Option<Exact>,
    /// Whether nothing is left, or something is held because of it.
    #[serde(rename = "agotado")]
    exhausted: bool,
    /// Commissions in other currencies, which take nothing of the budget.
    #[serde(rename = "otras_monedas")]
    other: BTreeMap<String, Spent>,
}

/// What commissions come to in one currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gastado)]
pub(crate) struct Spent {
    /// Commissions less reversals.
    #[serde(rename = "ganado")]
    earned: Exact,
    /// Of it, what is approved and not paid.
    #[serde(rename = "reservado")]
    reserved: Exact,
    #[serde(rename = "pagado")]
    paid: Exact,
}

impl From<&Balance> for Spent {
    fn from(balance: &Balance) -> Self {
        let amount = |amount| Exact::amount(amount, &balance.currency);
        Self { earned: amount(balance.net()), reserved: amount(balance.approved()), paid: amount(balance.paid) }
    }
}

const HELD_FOR_BUDGET: &str = "SELECT EXISTS (SELECT FROM held_postings WHERE campaign = $1 AND reason = 'b')";

/// What is left of a campaign's budget.
pub(crate) async fn detail(
    pool: &PgPool,
    campaign: i32,
    budget: Decimal,
    currency: &str,
) -> Result<Detail, sqlx::Error> {
    let balances = balances::of_campaign(pool, campaign).await?;
    let is_held: bool = sqlx::query_scalar(HELD_FOR_BUDGET).bind(campaign).fetch_one(pool).await?;
    let (own, other): (Vec<_>, Vec<_>) = balances.into_iter().partition(|balance| balance.currency == currency);
    let own = own.into_iter().next().unwrap_or_else(|| Balance::zero(currency));
    // Without what is held, which is not approved.
    let left = (!budget.is_zero()).then(|| budget.saturating_sub(own.approved()).saturating_sub(own.paid));
    Ok(Detail {
        currency: currency.into(),
        budget: Exact::amount(budget, currency),
        spent: Spent::from(&own),
        left: left.map(|left| Exact::amount(left, currency)),
        exhausted: left.is_some_and(|left| left <= Decimal::ZERO || is_held),
        other: other.iter().map(|balance| (balance.currency.clone(), Spent::from(balance))).collect(),
    })
}

/// What a campaign has cost against its budget.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Costo)]
pub(crate) struct Cost {
    /// The budget's.
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: String,
    /// Commissions less reversals.
    #[serde(rename = "costo")]
    cost: Exact,
    /// 0: none was given.
    #[serde(rename = "presupuesto")]
    budget: Exact,
    /// The cost in percent of the budget; null without one.
    #[serde(rename = "porcentaje")]
    percent: Option<Exact>,
}

impl Cost {
    /// Of a campaign with these balances.
    pub(crate) fn of(balances: &[Balance], budget: Decimal, currency: &str) -> Self {
        let own = balances.iter().find(|balance| balance.currency == currency);
        let cost = own.map_or(Decimal::ZERO, Balance::net);
        let hundredfold = cost.checked_mul(Decimal::ONE_HUNDRED);
        Self {
            currency: currency.into(),
            cost: Exact::amount(cost, currency),
            budget: Exact::amount(budget, currency),
            percent: hundredfold.and_then(|hundredfold| Exact::ratio(hundredfold, budget)),
        }
    }
}

//! Rules as the tables hold them. They are never edited, so what was read once stays true.

use rust_decimal::Decimal;
use schemas::commission::{RuleKey, Rules};
use schemas::terms::{Basis, Pay, Period, Rule, Scale, Tier};
use schemas::{ConversionKind, Currency, Money};
use sqlx::{FromRow, PgConnection, PgExecutor};
use std::collections::BTreeSet;
use std::sync::Arc;

const READ: &str = "
SELECT terms, rule, basis, conversion, amount, currency, percent, minimum, cap, period::text, retroactive, tier_since,
       tier_rates
FROM commission_rules WHERE terms = ANY ($1)";

/// Rules remembered at most, at a few hundred bytes each; beyond, the cache starts afresh.
const RULES_CACHED_MAX: usize = 100_000;

#[derive(Debug, FromRow)]
struct Row {
    terms: i32,
    rule: i16,
    basis: i16,
    conversion: i16,
    amount: Option<Decimal>,
    currency: Option<String>,
    percent: Option<Decimal>,
    minimum: Option<Decimal>,
    cap: Option<Decimal>,
    period: String,
    retroactive: bool,
    tier_since: Vec<Decimal>,
    tier_rates: Vec<Decimal>,
}

/// Makes sure that all rules of these versions of terms are known.
pub(super) async fn learn(
    connection: &mut PgConnection,
    rules: &mut Arc<Rules>,
    terms: BTreeSet<i32>,
) -> Result<(), sqlx::Error> {
    if rules.len() > RULES_CACHED_MAX {
        *rules = Arc::default();
    }
    // Rules are numbered from 1 without gaps.
    let unknown = |terms: &i32| !rules.contains_key(&RuleKey { terms: *terms, rule: 1 });
    let unknown: Vec<i32> = terms.into_iter().filter(unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Arc::make_mut(rules).extend(read(connection, &unknown).await?);
    Ok(())
}

/// All rules of these versions of terms.
pub async fn read(executor: impl PgExecutor<'_>, terms: &[i32]) -> Result<Rules, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(READ).bind(terms).fetch_all(executor).await?;
    let keyed = |row: Row| {
        let key = RuleKey { terms: row.terms, rule: row.rule };
        Ok((key, Arc::new(rule(row).ok_or(sqlx::Error::RowNotFound)?)))
    };
    rows.into_iter().map(keyed).collect()
}

/// None for what no version of Alpes has stored.
fn rule(row: Row) -> Option<Rule> {
    let currency = row.currency.as_deref().map(str::parse::<Currency>).transpose().ok()?;
    let basis = match row.basis {
        1 => Basis::ThousandImpressions,
        2 => Basis::Click,
        _ => Basis::Conversion(ConversionKind::from_number(row.conversion)?),
    };
    let pay = match row.percent {
        Some(percent) => Pay::Percent(percent),
        None => Pay::Flat(Money::exact(row.amount?, currency?).ok()?),
    };
    let tiers = row.tier_since.into_iter().zip(row.tier_rates).map(|(since, rate)| Tier { since, rate });
    Some(Rule {
        basis,
        pay,
        currency,
        minimum: row.minimum,
        tiers: tiers.collect(),
        scale: if row.retroactive { Scale::Retroactive } else { Scale::Marginal },
        cap: row.cap,
        period: Period::from_letter(&row.period)?,
    })
}

//! `campañas/{id}/comisiones/simular`: what terms would have brought on stored history, before anybody commits to them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::commission::{Commission, Settle};
use schemas::message::Encoding;
use schemas::wire::{Context, Privacy};
use schemas::{CampaignCommand, Command, Kind, Position, Timestamp};
use serde::Serialize;
use sinks::TENANT;
use sinks::ledger::history;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

use super::terms::{TermsBody, of_campaign};
use crate::amounts::Exact;
use crate::edge::{CommandBody, Id};
use crate::error::Problem;
use crate::time::Time;
use crate::{ApiError, ApiState};

/// Influencers in one answer, those with the greatest differences first; `total` has them all.
const INFLUENCERS_MAX: usize = 1_000;

/// What the campaign has earned its influencers, less reversals, and what it would have if these terms had held from
/// `vigente_desde` on. Open windows are in it. Defined, these terms bring postings of exactly the difference.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Simulacion)]
pub(crate) struct Simulation {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign: String,
    #[serde(rename = "vigente_desde")]
    valid_from: Time,
    /// Per currency; different currencies are never added.
    total: Vec<Comparison>,
    /// Those with the greatest differences first.
    influencers: Vec<OfInfluencer>,
    /// Influencers beyond the thousand that are shown.
    #[serde(rename = "influencers_omitidos")]
    omitted: usize,
}

/// One influencer's part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SimulacionDeInfluencer)]
pub(crate) struct OfInfluencer {
    #[schema(example = "inf-001")]
    influencer_id: String,
    #[serde(rename = "comisiones")]
    commissions: Vec<Comparison>,
}

/// Two sums in one currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Comparacion)]
pub(crate) struct Comparison {
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: String,
    /// With the terms as they are.
    #[serde(rename = "actual")]
    now: Exact,
    /// With the terms of the body.
    #[serde(rename = "simulada")]
    simulated: Exact,
    #[serde(rename = "diferencia")]
    difference: Exact,
}

/// Versions for the same people that begin later would take over.
const SET_ASIDE: &str = "
WITH later AS (
    DELETE FROM terms WHERE campaign = $1 AND influencer IS NOT DISTINCT FROM $2 AND valid_from >= $3 RETURNING terms
)
DELETE FROM commission_rules WHERE terms IN (SELECT terms FROM later)";

/// What an influencer has earned.
struct Earned {
    influencer: i32,
    currency: &'static str,
    amount: Decimal,
}

/// Simulates commission terms on stored history, in place of those that were in force from `vigente_desde` on (missing:
/// from the first event on) for the same people. Nothing is stored.
#[utoipa::path(post, path = "/marketing-influencers/campañas/{id}/comisiones/simular", tag = "marketing-influencers",
    request_body = TermsBody,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123")),
    responses((status = OK, body = Simulation), (status = NOT_FOUND, body = Problem),
              (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn simulate(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    CommandBody(body): CommandBody,
) -> Result<Json<Simulation>, ApiError> {
    let terms = judge(&of_campaign(&campaign, &body)?)?;
    // For a moment the terms are there for this transaction alone. Dropped, it is rolled back.
    let mut transaction = state.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE").await?;
    let number = number(&mut transaction, "campaign", &campaign).await?;
    let Some(number) = number else { return Err(ApiError::not_found("Not Found")) };
    let influencer = match terms.influencer.as_deref() {
        None => None,
        Some(name) => match self::number(&mut transaction, "influencer", name).await? {
            Some(number) => Some(number),
            None => return Err(ApiError::parameter("influencer_id", "no se conoce: no hay nada suyo que simular")),
        },
    };
    let from = DateTime::<Utc>::from(terms.valid_from);
    let now = earned(&mut transaction, number, state.settle).await?;
    sqlx::query(SET_ASIDE).bind(number).bind(influencer).bind(from).execute(&mut *transaction).await?;
    sinks::terms::insert(&mut transaction, number, influencer, &terms).await?;
    let simulated = earned(&mut transaction, number, state.settle).await?;
    let names = names(&mut transaction, now.iter().chain(&simulated)).await?;
    transaction.rollback().await?;
    Ok(Json(compare(campaign, terms.valid_from, &names, now, simulated)))
}

/// What everybody has earned, less reversals, as the ledger would post it from nothing.
async fn earned(connection: &mut PgConnection, campaign: i32, settle: Settle) -> Result<Vec<Earned>, ApiError> {
    let mut sums: BTreeMap<(i32, &'static str), Decimal> = BTreeMap::new();
    for unsettled in history::of_campaign(connection, campaign).await? {
        let settled = settle(&unsettled).ok_or_else(too_much)?;
        for Commission { currency, earned, reversed, .. } in settled.commissions {
            let sum = sums.entry((settled.influencer, currency.code())).or_default();
            *sum = earned.checked_sub(reversed).and_then(|net| sum.checked_add(net)).ok_or_else(too_much)?;
        }
    }
    let earned = |((influencer, currency), amount)| Earned { influencer, currency, amount };
    Ok(sums.into_iter().map(earned).collect())
}

fn too_much() -> ApiError {
    ApiError::parameter("reglas", "con estas reglas una comisión tendría más de 28 cifras; use montos menores")
}

type Names = HashMap<i32, String>;

async fn names(connection: &mut PgConnection, earned: impl Iterator<Item = &Earned>) -> Result<Names, sqlx::Error> {
    let numbers: BTreeSet<i32> = earned.map(|it| it.influencer).collect();
    let select = "SELECT influencer, name FROM influencer_names WHERE influencer = ANY ($1)";
    let numbers: Vec<i32> = numbers.into_iter().collect();
    let rows: Vec<(i32, String)> = sqlx::query_as(select).bind(numbers).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// As the line would judge them, but that without a beginning they hold from the first event on.
fn judge(payload: &[u8]) -> Result<schemas::Terms, ApiError> {
    let published_at = Timestamp::EPOCH;
    let context = Context { source: "http", position: Position::START, published_at, assigned_id: None };
    let record = Encoding::Json.decode(Some(Kind::DefineCommissions), payload);
    let command = record.and_then(|record| record.validate(context, Privacy::AsSent));
    match command.map_err(|faults| ApiError::faults(&faults))? {
        // An id that is taken must not stand in the way of a question.
        Command::Campaign(CampaignCommand::Define(terms)) => {
            Ok(schemas::Terms { id: Uuid::now_v7().to_string().as_str().into(), ..terms })
        }
        // Decoded by its kind, it is nothing else.
        Command::Campaign(_) | Command::Track(_) | Command::Reverse(_) => Err(ApiError::internal()),
    }
}

async fn number(connection: &mut PgConnection, what: &'static str, name: &str) -> Result<Option<i32>, sqlx::Error> {
    let select = format!("SELECT {what} FROM {what}_names WHERE tenant = $1 AND name = $2");
    sqlx::query_scalar(sqlx::AssertSqlSafe(select)).bind(TENANT).bind(name).fetch_optional(connection).await
}

/// What is earned now and what would be, by currency.
type Sums = BTreeMap<&'static str, (Decimal, Decimal)>;

fn compare(
    campaign: String,
    valid_from: Timestamp,
    names: &Names,
    now: Vec<Earned>,
    simulated: Vec<Earned>,
) -> Simulation {
    let mut influencers: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut total = Sums::new();
    let now = now.into_iter().map(|earned| (earned.amount, Decimal::ZERO, earned));
    let simulated = simulated.into_iter().map(|earned| (Decimal::ZERO, earned.amount, earned));
    for (now, simulated, Earned { influencer, currency, .. }) in now.chain(simulated) {
        let name = names.get(&influencer).map_or("", String::as_str);
        let of_influencer = influencers.entry(name).or_default();
        for sums in [of_influencer.entry(currency), total.entry(currency)] {
            let sum = sums.or_default();
            // Sums of amounts that PostgreSQL has added already: far below Decimal's 28 digits.
            *sum = (sum.0.saturating_add(now), sum.1.saturating_add(simulated));
        }
    }
    let mut influencers: Vec<_> = influencers.into_iter().collect();
    // Only an order to read them in: amounts of different currencies are compared, never added.
    let greatest = |sums: &Sums| sums.values().map(|(now, then)| (then - now).abs()).max();
    influencers.sort_by_key(|(_, sums)| std::cmp::Reverse(greatest(sums)));
    let omitted = influencers.len().saturating_sub(INFLUENCERS_MAX);
    influencers.truncate(INFLUENCERS_MAX);
    let of_influencer =
        |(name, sums): (&str, Sums)| OfInfluencer { influencer_id: name.to_owned(), commissions: comparisons(sums) };
    Simulation {
        campaign,
        valid_from: valid_from.into(),
        total: comparisons(total),
        influencers: influencers.into_iter().map(of_influencer).collect(),
        omitted,
    }
}

fn comparisons(sums: Sums) -> Vec<Comparison> {
    let comparison = |(currency, (now, simulated)): (&'static str, (Decimal, Decimal))| Comparison {
        now: Exact::amount(now, currency),
        simulated: Exact::amount(simulated, currency),
        difference: Exact::amount(simulated.saturating_sub(now), currency),
        currency: currency.to_owned(),
    };
    sums.into_iter().map(comparison).collect()
}

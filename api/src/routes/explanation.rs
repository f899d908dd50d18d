//! `pagos/comisiones/{id}/explicacion`: why a posting is what it is, in numbers and in words.

use axum::Json;
use axum::extract::State;
use rust_decimal::Decimal;
use schemas::commission::RuleKey;
use schemas::{ClaimKey, ConversionKind, Currency, Kind, ReversalKind};
use serde::Serialize;
use sinks::TENANT;
use sqlx::{FromRow, PgPool};
use std::sync::Arc;
use utoipa::ToSchema;

use super::postings::{Filter, Line, Numbers, Order, Row, read};
use super::terms::Rule;
use crate::amounts::Exact;
use crate::edge::Number;
use crate::error::Problem;
use crate::explain::{self, About, Calculation, Facts, Inputs, sentences, unit};
use crate::time::Time;
use crate::{ApiError, ApiState};

/// Later postings of the same commission in one answer: a conversion has a few, a period may have thousands.
const LATER_MAX: usize = 50;
/// Refunds and disputes in one answer; nobody returns one sale more often.
const REFUNDS_MAX: i64 = 100;

/// A posting, explained.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explicacion)]
pub(crate) struct Explanation {
    #[serde(rename = "asiento")]
    posting: Line,
    /// The whole explanation, a sentence each.
    #[serde(rename = "texto")]
    #[schema(example = json!(["Asiento 17: 9750.00 COP a favor de inf-001, …"]))]
    sentences: Vec<String>,
    /// The conversion that it is about; null: a period.
    conversion: Option<Conversion>,
    /// The period that it is about; null: a conversion.
    #[serde(rename = "periodo")]
    period: Option<PeriodOf>,
    #[serde(rename = "terminos")]
    terms: TermsOf,
    /// Null where a number has more digits than can be shown.
    #[serde(rename = "calculo")]
    calculation: Option<Computed>,
    /// Of a reversal: what the conversion's refunds and disputes are.
    #[serde(rename = "devoluciones")]
    refunds: Vec<Refund>,
    /// The posting of the same commission before it.
    #[serde(rename = "anterior")]
    earlier: Option<Link>,
    /// Those after it, oldest first.
    #[serde(rename = "posteriores")]
    later: Vec<Correction>,
    /// Whether there are more of them than are shown.
    #[serde(rename = "hay_mas_posteriores")]
    has_more: bool,
    #[serde(rename = "vale_ahora")]
    now: Now,
}

/// A conversion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversionExplicada)]
pub(crate) struct Conversion {
    #[schema(example = "conv-123")]
    id: String,
    #[serde(rename = "tipo_conversion")]
    #[schema(example = "VENTA")]
    kind: &'static str,
    #[serde(rename = "valor")]
    amount: Exact,
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: String,
    timestamp: Time,
    #[serde(rename = "enlace")]
    link: String,
}

/// What a period had before the posting and with it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeriodoExplicado)]
pub(crate) struct PeriodOf {
    /// `DIA`, `MES` or `TOTAL`.
    #[serde(rename = "tipo")]
    #[schema(example = "MES")]
    kind: &'static str,
    /// Its start; 1970 for all time.
    #[serde(rename = "desde")]
    start: Time,
    /// What is counted: `impresiones`, `clics`, `conversiones`, or money (`valor de conversiones`, `comisiones`).
    #[serde(rename = "unidad")]
    #[schema(example = "impresiones")]
    unit: &'static str,
    #[serde(rename = "cantidad_antes")]
    before: Exact,
    #[serde(rename = "cantidad_despues")]
    after: Exact,
}

/// The rule, and the version of terms that it is of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TerminosExplicados)]
pub(crate) struct TermsOf {
    #[schema(example = "terms-1")]
    id: String,
    version: i32,
    #[serde(rename = "vigente_desde")]
    valid_from: Time,
    /// Where the next version for the same people takes over, as it is now; null: none does.
    #[serde(rename = "vigente_hasta")]
    valid_until: Option<Time>,
    /// Null: general terms.
    influencer_id: Option<String>,
    /// The rule's number, from 1.
    #[serde(rename = "numero_regla")]
    number: i16,
    #[serde(rename = "regla")]
    rule: Rule,
}

/// The posting, computed again of what it was computed of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Calculo)]
pub(crate) struct Computed {
    /// They sum up to `exacto`.
    #[serde(rename = "pasos")]
    steps: Vec<Step>,
    #[serde(rename = "exacto")]
    exact: Exact,
    /// To the decimals of the currency, a half to even.
    #[serde(rename = "redondeado")]
    rounded: Exact,
    /// What was posted for the same before.
    #[serde(rename = "asentado_antes")]
    before: Exact,
    /// The difference: `monto` of the posting.
    #[serde(rename = "monto")]
    posted: Exact,
    /// Whether the ledger says the same to the last digit.
    #[serde(rename = "coincide")]
    is_as_posted: bool,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Paso)]
pub(crate) struct Step {
    #[serde(rename = "texto")]
    text: String,
    #[serde(rename = "cantidad")]
    quantity: Option<Exact>,
    /// An amount, or a percentage.
    #[serde(rename = "tarifa")]
    rate: Option<Exact>,
    #[serde(rename = "importe")]
    amount: Exact,
}

/// A refund or a dispute.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DevolucionExplicada)]
pub(crate) struct Refund {
    id: String,
    /// `DEVOLUCION`, `DISPUTA_ABIERTA`, `DISPUTA_GANADA` or `DISPUTA_PERDIDA`.
    #[serde(rename = "tipo")]
    #[schema(example = "DEVOLUCION")]
    kind: &'static str,
    #[serde(rename = "disputa_id")]
    dispute: Option<String>,
    /// Null: all of the conversion.
    #[serde(rename = "valor")]
    amount: Option<Exact>,
    #[serde(rename = "moneda")]
    currency: Option<String>,
    #[serde(rename = "motivo")]
    reason: Option<String>,
    timestamp: Time,
}

/// Another posting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Enlace)]
pub(crate) struct Link {
    id: i64,
    #[serde(rename = "enlace")]
    #[schema(example = "/pagos/comisiones/17/explicacion")]
    link: String,
}

impl Link {
    fn to(posting: i64) -> Self {
        Self { id: posting, link: format!("/pagos/comisiones/{posting}/explicacion") }
    }
}

/// A later posting of the same commission.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Correccion)]
pub(crate) struct Correction {
    #[serde(flatten)]
    link: Link,
    #[serde(rename = "concepto")]
    concept: &'static str,
    #[serde(rename = "causa")]
    cause: &'static str,
    #[serde(rename = "monto")]
    amount: Exact,
    #[serde(rename = "fecha")]
    posted_at: Time,
}

/// What the commission comes to now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValeAhora)]
pub(crate) struct Now {
    #[serde(rename = "devengada")]
    earned: Exact,
    #[serde(rename = "revertida")]
    reversed: Exact,
    #[serde(rename = "neta")]
    net: Exact,
}

/// What a posting was computed of; what its commission had earned when it was posted, and has now.
const INPUTS: &str = "
SELECT p.campaign, p.influencer, p.commission, p.terms, p.quantity_before, p.quantity_after, p.exact_after, p.total_before, p.total_after,
       k.start, k.quantity, k.earned, k.reversed,
       coalesce((SELECT e.total_after FROM postings e WHERE e.commission = p.commission AND e.concept = 'c'
                     AND e.posting < p.posting ORDER BY e.posting DESC LIMIT 1), 0) AS earned_then,
       (SELECT max(e.posting) FROM postings e WHERE e.commission = p.commission AND e.posting < p.posting) AS earlier
FROM postings p JOIN commissions k USING (commission) WHERE p.posting = $1";

#[derive(Debug, FromRow)]
struct InputsRow {
    campaign: i32,
    influencer: i32,
    commission: i64,
    terms: i32,
    quantity_before: Decimal,
    quantity_after: Decimal,
    exact_after: Decimal,
    total_before: Decimal,
    total_after: Decimal,
    start: Time,
    quantity: Decimal,
    earned: Decimal,
    reversed: Decimal,
    earned_then: Decimal,
    earlier: Option<i64>,
}

impl From<&InputsRow> for Inputs {
    fn from(row: &InputsRow) -> Self {
        Self {
            quantity_before: row.quantity_before,
            quantity_after: row.quantity_after,
            exact_after: row.exact_after,
            total_before: row.total_before,
            total_after: row.total_after,
            start: row.start.into(),
            earned_then: row.earned_then,
            quantity_now: row.quantity,
            earned_now: row.earned,
            reversed_now: row.reversed,
        }
    }
}

/// Why a posting is what it is: what it is about, by which rule, how it is computed, what was posted before and since.
#[utoipa::path(get, path = "/pagos/comisiones/{id}/explicacion", tag = "pagos",
    params(("id" = i64, Path, description = "id of the posting", example = 17)),
    responses((status = OK, body = Explanation), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(State(state): State<Arc<ApiState>>, id: Number) -> Result<Json<Explanation>, ApiError> {
    let Number(posting) = id;
    let numbers = Numbers { from: posting, until: posting.saturating_add(1) };
    let rows = read(&state.pool, &Filter { numbers, ..Filter::default() }, Order::NewestFirst, 1).await?;
    let row = rows.into_iter().next().ok_or_else(|| ApiError::not_found("Not Found"))?;
    let inputs: InputsRow = sqlx::query_as(INPUTS).bind(posting).fetch_one(&state.pool).await?;
    let facts = facts(&state.pool, row, &inputs).await?;
    Ok(Json(explanation(facts, inputs.earlier)))
}

async fn facts(pool: &PgPool, row: Row, inputs: &InputsRow) -> Result<Facts, ApiError> {
    let key = RuleKey { terms: inputs.terms, rule: row.rule };
    // Terms are never taken away, and the table of postings holds no other currencies.
    let rule = sinks::ledger::rules::read(pool, &[inputs.terms]).await?.remove(&key).ok_or_else(ApiError::internal)?;
    let currency: Currency = row.currency.parse().map_err(|()| ApiError::internal())?;
    let conversion = conversion(pool, &row, inputs).await?;
    let refunds = match &row.conversion {
        Some(id) if row.is_reversal() => refunds(pool, id).await?,
        _ => Vec::new(),
    };
    let mut later = later(pool, inputs.commission, row.posting).await?;
    let has_more = later.len() > LATER_MAX;
    later.truncate(LATER_MAX);
    let terms = terms(pool, inputs).await?;
    Ok(Facts { posting: row, currency, inputs: inputs.into(), terms, rule, conversion, refunds, later, has_more })
}

/// Within one campaign, so that the order of its versions is all that is looked at.
const TERMS: &str = "
SELECT t.terms, t.valid_from, nullif(t.valid_until, 'infinity') AS valid_until, i.name
FROM terms_in_force t LEFT JOIN influencer_names i USING (influencer) WHERE t.campaign = $1 AND t.terms = $2";

async fn terms(pool: &PgPool, inputs: &InputsRow) -> Result<explain::Terms, sqlx::Error> {
    let (version, valid_from, valid_until, influencer): (i32, Time, Option<Time>, Option<String>) =
        sqlx::query_as(TERMS).bind(inputs.campaign).bind(inputs.terms).fetch_one(pool).await?;
    let (valid_from, valid_until) = (valid_from.into(), valid_until.map(Into::into));
    Ok(explain::Terms { version, valid_from, valid_until, influencer })
}

/// The claim tells the day that it came, the posting all else that finds it by an index.
const CONVERSION: &str = "
SELECT kind, amount, currency, event_time FROM conversions
WHERE day = (SELECT day FROM claims WHERE tenant = $1 AND kind = $2 AND id = $3)
  AND campaign = $4 AND influencer = $5 AND event_time = $6 AND id = $7";

async fn conversion(
    pool: &PgPool,
    posting: &Row,
    inputs: &InputsRow,
) -> Result<Option<explain::Conversion>, sqlx::Error> {
    let Some(id) = &posting.conversion else { return Ok(None) };
    let key = ClaimKey::new(Kind::RecordConversion, id);
    let row: Option<(i16, Decimal, String, Time)> = sqlx::query_as(CONVERSION)
        .bind(TENANT)
        .bind(key.kind.number())
        .bind(key.id)
        .bind(inputs.campaign)
        .bind(inputs.influencer)
        .bind(posting.event_from)
        .bind(id)
        .fetch_optional(pool)
        .await?;
    Ok(row.and_then(|(kind, amount, currency, time)| {
        let (kind, event_time) = (ConversionKind::from_number(kind)?, time.into());
        Some(explain::Conversion { kind, amount, currency, event_time })
    }))
}

const REFUNDS: &str = "
SELECT id, kind, dispute_id, amount, currency, reason, event_time FROM reversals WHERE conversion_id = $1
ORDER BY event_time, id LIMIT $2";

#[derive(Debug, FromRow)]
struct RefundRow {
    id: String,
    kind: i16,
    dispute_id: Option<String>,
    amount: Option<Decimal>,
    currency: Option<String>,
    reason: Option<String>,
    event_time: Time,
}

async fn refunds(pool: &PgPool, conversion: &str) -> Result<Vec<explain::Refund>, sqlx::Error> {
    let rows: Vec<RefundRow> = sqlx::query_as(REFUNDS).bind(conversion).bind(REFUNDS_MAX).fetch_all(pool).await?;
    let refund = |row: RefundRow| explain::Refund {
        // The table holds no other numbers.
        kind: ReversalKind::from_number(row.kind).unwrap_or(ReversalKind::Refund),
        id: row.id,
        dispute: row.dispute_id,
        amount: row.amount,
        currency: row.currency,
        reason: row.reason,
        event_time: row.event_time.into(),
    };
    Ok(rows.into_iter().map(refund).collect())
}

/// What was posted for the same commission afterwards, one more than is shown.
async fn later(pool: &PgPool, commission: i64, posting: i64) -> Result<Vec<Row>, sqlx::Error> {
    let numbers = Numbers { from: posting.saturating_add(1), until: i64::MAX };
    let filter = Filter { commission: Some(commission), numbers, ..Filter::default() };
    read(pool, &filter, Order::OldestFirst, LATER_MAX + 1).await
}

fn explanation(facts: Facts, earlier: Option<i64>) -> Explanation {
    let calculation = facts.calculate();
    let amount = |amount| Exact::amount(amount, facts.currency.code());
    let (inputs, terms) = (&facts.inputs, &facts.terms);
    Explanation {
        sentences: sentences(&facts, calculation.as_ref()),
        conversion: conversion_of(&facts),
        period: period(&facts),
        terms: TermsOf {
            id: facts.posting.terms_id.clone(),
            version: terms.version,
            valid_from: terms.valid_from.into(),
            valid_until: terms.valid_until.map(Into::into),
            influencer_id: terms.influencer.clone(),
            number: facts.posting.rule,
            rule: facts.rule.as_ref().into(),
        },
        calculation: calculation.map(|it| computed(&facts, it)),
        refunds: facts.refunds.iter().map(refund).collect(),
        earlier: earlier.map(Link::to),
        later: facts.later.iter().cloned().map(correction).collect(),
        has_more: facts.has_more,
        now: Now {
            earned: amount(inputs.earned_now),
            reversed: amount(inputs.reversed_now),
            net: amount(inputs.earned_now.saturating_sub(inputs.reversed_now)),
        },
        posting: facts.posting.into(),
    }
}

fn conversion_of(facts: &Facts) -> Option<Conversion> {
    let (id, it) = facts.posting.conversion.as_ref().zip(facts.conversion.as_ref())?;
    let encoded = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    Some(Conversion {
        link: format!("/tracking/conversiones/{encoded}"),
        id: id.clone(),
        kind: it.kind.name(),
        amount: Exact::amount(it.amount, &it.currency),
        currency: it.currency.clone(),
        timestamp: it.event_time.into(),
    })
}

fn period(facts: &Facts) -> Option<PeriodOf> {
    let is_period = matches!(facts.about(), About::Period | About::Cap);
    is_period.then(|| PeriodOf {
        kind: facts.rule.period.name(),
        start: facts.inputs.start.into(),
        unit: unit(&facts.rule),
        before: Exact::decimal(facts.inputs.quantity_before),
        after: Exact::decimal(facts.inputs.quantity_after),
    })
}

fn computed(facts: &Facts, calculation: Calculation) -> Computed {
    let amount = |amount| Exact::amount(amount, facts.currency.code());
    let step = |step: explain::Step| Step {
        text: step.text,
        quantity: step.quantity.map(Exact::decimal),
        rate: step.rate.map(Exact::decimal),
        amount: Exact::decimal(step.amount),
    };
    Computed {
        is_as_posted: facts.is_as_posted(&calculation),
        exact: Exact::decimal(calculation.exact),
        rounded: amount(calculation.rounded),
        before: amount(facts.inputs.total_before),
        posted: amount(calculation.posted),
        steps: calculation.steps.into_iter().map(step).collect(),
    }
}

fn refund(it: &explain::Refund) -> Refund {
    Refund {
        id: it.id.clone(),
        kind: it.kind.name(),
        dispute: it.dispute.clone(),
        amount: it.amount.map(|amount| Exact::amount(amount, it.currency.as_deref().unwrap_or_default())),
        currency: it.currency.clone(),
        reason: it.reason.clone(),
        timestamp: it.event_time.into(),
    }
}

fn correction(row: Row) -> Correction {
    let Line { id, concept, cause, amount, posted_at, .. } = row.into();
    Correction { link: Link::to(id), concept, cause, amount, posted_at }
}

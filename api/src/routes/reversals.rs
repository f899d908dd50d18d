//! `reversiones`: refunds and disputes, recorded one by one, looked up by id, listed by conversion with their sums.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{ClaimKey, Currency, Kind, ReversalKind};
use serde::Serialize;
use sinks::TENANT;
use sqlx::{FromRow, PgPool};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::amounts::Exact;
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::time::Time;
use crate::{ApiError, ApiState};

/// What `POST /tracking/reversiones` takes. Unknown keys are ignored.
#[derive(ToSchema)]
#[schema(as = RegistrarReversion)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct ReversalBody {
    /// Unique among reversals; made by Alpes where it is missing.
    #[schema(example = "rev-123")]
    id: Option<String>,
    /// What is taken back. It may be recorded later.
    #[schema(example = "conv-123")]
    conversion_id: String,
    /// A number or a decimal text, more than 0; missing: all of the conversion.
    #[schema(value_type = Option<f64>, example = 50000.0)]
    valor: Option<String>,
    /// `COP`, `USD` or `EUR`; missing: the conversion's. Another one than the conversion's reverses nothing.
    #[schema(example = "COP")]
    moneda: Option<String>,
    #[schema(example = "talla equivocada")]
    motivo: Option<String>,
    /// `DEVOLUCION` (the default), `DISPUTA_ABIERTA`, `DISPUTA_GANADA` or `DISPUTA_PERDIDA`.
    #[schema(example = "DEVOLUCION")]
    tipo: Option<String>,
    /// Which dispute it is a step of; a `DEVOLUCION` has none.
    #[schema(example = "dis-123")]
    disputa_id: Option<String>,
    /// ISO 8601; UTC where it has no zone; now where it is missing.
    #[schema(example = "2025-01-02T09:00:00Z")]
    timestamp: Option<String>,
}

/// Records a refund or a step of a dispute, before or after its conversion. It is durable when this answers.
#[utoipa::path(post, path = "/tracking/reversiones", tag = "tracking", request_body = ReversalBody,
    params(PreferHeader), responses(Answers))]
pub(crate) async fn record(
    State(state): State<Arc<ApiState>>,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RecordReversal, body, prefer).await
}

/// A reversal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reversion)]
pub(crate) struct Reversal {
    #[schema(example = "rev-123")]
    id: String,
    #[schema(example = "conv-123")]
    conversion_id: String,
    /// `DEVOLUCION`, `DISPUTA_ABIERTA`, `DISPUTA_GANADA` or `DISPUTA_PERDIDA`.
    #[serde(rename = "tipo")]
    #[schema(example = "DEVOLUCION")]
    kind: &'static str,
    #[serde(rename = "disputa_id")]
    #[schema(example = "dis-123")]
    dispute_id: Option<String>,
    /// Null: all of the conversion.
    #[serde(rename = "valor")]
    amount: Option<Exact>,
    /// Null: the conversion's.
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: Option<String>,
    #[serde(rename = "motivo")]
    reason: Option<String>,
    /// When it happened.
    #[serde(rename = "timestamp")]
    event_time: Time,
    /// When it was accepted.
    #[serde(rename = "created_at")]
    published_at: Time,
}

#[derive(Debug, FromRow)]
struct Row {
    id: String,
    conversion_id: String,
    kind: i16,
    dispute_id: Option<String>,
    amount: Option<Decimal>,
    currency: Option<String>,
    reason: Option<String>,
    event_time: Time,
    published_at: Time,
}

impl Row {
    fn key(&self) -> TimeKey {
        TimeKey { time: self.event_time.into(), id: self.id.clone() }
    }
}

impl From<Row> for Reversal {
    fn from(row: Row) -> Self {
        // Without a currency of its own an amount was judged as COP's.
        let currency = row.currency.as_deref().unwrap_or(Currency::Cop.code());
        Self {
            amount: row.amount.map(|amount| Exact::amount(amount, currency)),
            // The table holds no other numbers.
            kind: ReversalKind::from_number(row.kind).map_or("", ReversalKind::name),
            id: row.id,
            conversion_id: row.conversion_id,
            dispute_id: row.dispute_id,
            currency: row.currency,
            reason: row.reason,
            event_time: row.event_time,
            published_at: row.published_at,
        }
    }
}

const ONE: &str = "
SELECT id, conversion_id, kind, dispute_id, amount, currency, reason, event_time, published_at
FROM reversals WHERE tenant = $1 AND id = $2";

/// One reversal.
#[utoipa::path(get, path = "/reversiones/{id}", tag = "consultas",
    params(("id" = String, Path, description = "id of the reversal", example = "rev-123")),
    responses((status = OK, body = Reversal), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(State(state): State<Arc<ApiState>>, Id(id): Id) -> Result<Json<Reversal>, ApiError> {
    let found: Option<Row> = sqlx::query_as(ONE).bind(TENANT).bind(&id).fetch_optional(&state.pool).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| ApiError::not_found("Reversión no encontrada"))
}

/// A conversion's reversals, newest first, and what they come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReversionesDeConversion)]
pub(crate) struct Page {
    #[schema(example = "conv-123")]
    conversion_id: String,
    #[serde(flatten)]
    summary: Summary,
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "reversiones")]
    reversals: Vec<OfConversion>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// What a conversion's reversals come to. All null while the conversion has not come.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ResumenReversiones)]
pub(crate) struct Summary {
    /// What the conversion is worth.
    #[serde(rename = "valor")]
    amount: Option<Exact>,
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: Option<String>,
    /// What refunds and lost disputes take back: at most `valor`.
    #[serde(rename = "devuelto")]
    refunded: Option<Exact>,
    /// What they say beyond `valor`.
    #[serde(rename = "exceso")]
    excess: Option<Exact>,
    /// What is disputed and not decided.
    #[serde(rename = "en_disputa")]
    disputed: Option<Exact>,
}

/// A reversal beside its conversion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReversionDeConversion)]
pub(crate) struct OfConversion {
    #[serde(flatten)]
    reversal: Reversal,
    /// Its currency is not the conversion's: it reverses nothing.
    #[serde(rename = "otra_moneda")]
    other_currency: bool,
}

/// The conversion is found through its claim: `$1` tenant, `$2` kind, `$3` the claimed id, `$4` the id.
const SUMMARY: &str = "
WITH conversion AS MATERIALIZED (
    SELECT t.amount, t.currency
    FROM claims k
    JOIN conversions t ON t.day = k.day AND t.line = k.line AND t.ledger = k.ledger AND t.entry = k.entry
                      AND t.index = k.index AND t.id = $4
    WHERE k.tenant = $1 AND k.kind = $2 AND k.id = $3
)
SELECT c.amount, c.currency, coalesce(r.refunded, 0) AS refunded, coalesce(r.disputed, 0) AS disputed
FROM conversion c CROSS JOIN LATERAL (
    SELECT sum(coalesce(e.amount, c.amount)) FILTER (WHERE NOT e.open) AS refunded,
           sum(coalesce(e.amount, c.amount)) FILTER (WHERE e.open) AS disputed
    FROM effective_reversals e WHERE e.conversion_id = $4 AND coalesce(e.currency, c.currency) = c.currency
) AS r";

#[derive(Debug, FromRow)]
struct Sums {
    amount: Decimal,
    currency: String,
    refunded: Decimal,
    disputed: Decimal,
}

impl From<Sums> for Summary {
    fn from(sums: Sums) -> Self {
        let exact = |amount| Some(Exact::amount(amount, &sums.currency));
        let refunded = sums.refunded.min(sums.amount);
        Self {
            amount: exact(sums.amount),
            refunded: exact(refunded),
            excess: exact(sums.refunded.saturating_sub(refunded)),
            disputed: exact(sums.disputed),
            currency: Some(sums.currency),
        }
    }
}

const LIST: &str = r#"
SELECT id, conversion_id, kind, dispute_id, amount, currency, reason, event_time, published_at
FROM reversals
WHERE tenant = $1 AND conversion_id = $2 AND (event_time, id COLLATE "C") < ($3, $4)
ORDER BY event_time DESC, id COLLATE "C" DESC LIMIT $5"#;

/// A conversion's reversals, newest first, and what they come to. Empty for an unknown conversion.
#[utoipa::path(get, path = "/conversiones/{id}/reversiones", tag = "consultas",
    params(("id" = String, Path, description = "id of the conversion", example = "conv-123"), PageParams),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_conversion(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after = params.after()?.unwrap_or(TimeKey::NEWEST);
    let summary = summary(&state.pool, &id).await?;
    let rows: Vec<Row> = sqlx::query_as(LIST)
        .bind(TENANT)
        .bind(&id)
        .bind(DateTime::<Utc>::from(after.time))
        .bind(&after.id)
        .bind(params.limit.rows() as i64)
        .fetch_all(&state.pool)
        .await?;
    let next = next_page(&rows, params.limit, Row::key);
    let reversals: Vec<_> = rows.into_iter().map(|row| beside(&summary, row)).collect();
    Ok(Json(Page { conversion_id: id, summary, total: reversals.len(), reversals, next }))
}

async fn summary(pool: &PgPool, conversion: &str) -> Result<Summary, sqlx::Error> {
    let key = ClaimKey::new(Kind::RecordConversion, conversion);
    let sums: Option<Sums> = sqlx::query_as(SUMMARY)
        .bind(TENANT)
        .bind(key.kind.number())
        .bind(key.id)
        .bind(conversion)
        .fetch_optional(pool)
        .await?;
    Ok(sums.map(Summary::from).unwrap_or_default())
}

fn beside(conversion: &Summary, row: Row) -> OfConversion {
    let currencies = row.currency.as_ref().zip(conversion.currency.as_ref());
    OfConversion { other_currency: currencies.is_some_and(|(own, its)| own != its), reversal: row.into() }
}

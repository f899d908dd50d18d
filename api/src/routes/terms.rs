//! `campañas/{id}/comisiones`: commission terms, defined and listed.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{ConversionKind, Kind};
use serde::Serialize;
use sinks::TENANT;
use sqlx::FromRow;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::amounts::Exact;
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query, with_keys};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::time::Time;
use crate::{ApiError, ApiState};

/// What `PUT /marketing-influencers/campañas/{id}/comisiones` takes.
#[derive(ToSchema)]
#[schema(as = DefinirComisiones)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct TermsBody {
    /// The id of this version; made by Alpes where it is missing. Sent again, it changes nothing.
    #[schema(example = "terms-1")]
    id: Option<String>,
    /// The first event time that they hold for: a whole minute, past or future. Missing: the minute of now.
    #[schema(example = "2026-01-01T00:00:00Z")]
    vigente_desde: Option<String>,
    /// Whom they are for; null or missing: everybody who has no terms of their own at that time.
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    /// What is not named earns nothing.
    reglas: Vec<RuleBody>,
}

/// One rule.
#[derive(ToSchema)]
#[schema(as = ReglaEnviada)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct RuleBody {
    /// `CPM` (every thousand impressions), `CPC` (every click) or `CPA` (every conversion of a kind).
    #[schema(example = "CPA")]
    tipo: String,
    /// For CPA: `VENTA`, `REGISTRO`, `SUSCRIPCION`, `DESCARGAR` or `CLICK`.
    #[schema(example = "VENTA")]
    tipo_conversion: Option<String>,
    /// A number or a decimal text, taken exactly as written.
    #[schema(value_type = Option<f64>)]
    monto: Option<String>,
    /// Of `monto`: `COP` (the default), `USD` or `EUR`.
    moneda: Option<String>,
    /// For CPA, instead of `monto`: of the conversion's amount, in its currency, rounded half to even.
    #[schema(value_type = Option<f64>, example = 7)]
    porcentaje: Option<String>,
}

/// Defines commission terms. They are durable when this answers; back-dated ones change what the past has earned.
#[utoipa::path(put, path = "/marketing-influencers/campañas/{id}/comisiones", tag = "marketing-influencers",
    request_body = TermsBody,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PreferHeader),
    responses(Answers))]
pub(crate) async fn define(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::DefineCommissions, of_campaign(&campaign, &body)?, prefer).await
}

/// The body with the path's campaign as its first key; all else stays as it was sent.
pub(crate) fn of_campaign(campaign: &str, body: &Bytes) -> Result<Bytes, ApiError> {
    with_keys(&[("campaña_id", campaign)], body)
}

/// A version of terms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminos)]
pub(crate) struct Terms {
    #[schema(example = "terms-1")]
    id: String,
    /// Of two versions that begin at the same time, the greater one holds.
    version: i32,
    #[serde(rename = "vigente_desde")]
    valid_from: Time,
    /// Where the next version for the same people takes over; null: not yet.
    #[serde(rename = "vigente_hasta")]
    valid_until: Option<Time>,
    /// Null: everybody who has no terms of their own at that time.
    influencer_id: Option<String>,
    #[serde(rename = "reglas")]
    rules: Vec<Rule>,
    #[serde(rename = "fecha_definicion")]
    defined_at: Time,
}

/// One rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Regla)]
pub(crate) struct Rule {
    #[serde(rename = "tipo")]
    #[schema(example = "CPA")]
    basis: &'static str,
    #[serde(rename = "tipo_conversion", skip_serializing_if = "Option::is_none")]
    #[schema(example = "VENTA")]
    conversion: Option<&'static str>,
    #[serde(rename = "monto", skip_serializing_if = "Option::is_none")]
    amount: Option<Exact>,
    #[serde(rename = "moneda", skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(rename = "porcentaje", skip_serializing_if = "Option::is_none")]
    percent: Option<Exact>,
}

#[derive(Debug, FromRow)]
struct Row {
    id: String,
    version: i32,
    valid_from: Time,
    valid_until: Option<Time>,
    influencer: Option<String>,
    defined_at: Time,
    bases: Vec<i16>,
    conversions: Vec<i16>,
    amounts: Vec<Option<Decimal>>,
    currencies: Vec<Option<String>>,
    percents: Vec<Option<Decimal>>,
}

impl From<Row> for Terms {
    fn from(row: Row) -> Self {
        let pays = row.amounts.into_iter().zip(row.currencies).zip(row.percents);
        let rules = row.bases.into_iter().zip(row.conversions).zip(pays).map(|((basis, conversion), pay)| {
            let ((amount, currency), percent) = pay;
            Rule {
                // The table holds no other numbers.
                basis: ["CPM", "CPC", "CPA"].get(basis as usize - 1).copied().unwrap_or_default(),
                conversion: ConversionKind::from_number(conversion).map(ConversionKind::name),
                amount: amount.zip(currency.as_deref()).map(|(amount, currency)| Exact::amount(amount, currency)),
                currency,
                percent: percent.map(Exact::decimal),
            }
        });
        Self {
            rules: rules.collect(),
            id: row.id,
            version: row.version,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            influencer_id: row.influencer,
            defined_at: row.defined_at,
        }
    }
}

/// Versions of a campaign's terms, the latest beginning first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaTerminos)]
pub(crate) struct Page {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign: String,
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "terminos")]
    terms: Vec<Terms>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

const LIST: &str = r#"
SELECT t.id, t.terms AS version, t.valid_from, nullif(t.valid_until, 'infinity') AS valid_until, i.name AS influencer,
       t.defined_at, r.bases, r.conversions, r.amounts, r.currencies, r.percents
FROM campaign_names c JOIN terms_in_force t USING (campaign) LEFT JOIN influencer_names i USING (influencer)
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(basis ORDER BY basis, conversion), '{}') AS bases,
           coalesce(array_agg(conversion ORDER BY basis, conversion), '{}') AS conversions,
           coalesce(array_agg(amount ORDER BY basis, conversion), '{}') AS amounts,
           coalesce(array_agg(currency ORDER BY basis, conversion), '{}') AS currencies,
           coalesce(array_agg(percent ORDER BY basis, conversion), '{}') AS percents
    FROM commission_rules WHERE terms = t.terms
) AS r
WHERE c.tenant = $1 AND c.name = $2 AND (t.valid_from, t.id) < ($3, $4)
ORDER BY t.valid_from DESC, t.id DESC LIMIT $5
"#;

/// The versions of a campaign's terms, the latest beginning first.
#[utoipa::path(get, path = "/marketing-influencers/campañas/{id}/comisiones", tag = "marketing-influencers",
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PageParams),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after = params.after()?.unwrap_or(TimeKey::NEWEST);
    let rows: Vec<Row> = sqlx::query_as(LIST)
        .bind(TENANT)
        .bind(&campaign)
        .bind(DateTime::<Utc>::from(after.time))
        .bind(&after.id)
        .bind(params.limit.rows() as i64)
        .fetch_all(&state.pool)
        .await?;
    let next = next_page(&rows, params.limit, |row| TimeKey { time: row.valid_from.into(), id: row.id.clone() });
    Ok(Json(Page { campaign, total: rows.len(), terms: rows.into_iter().map(Into::into).collect(), next }))
}

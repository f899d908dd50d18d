//! `campañas`: created, looked up, listed.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{CampaignState, Currency, Kind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sinks::TENANT;
use sqlx::{AssertSqlSafe, FromRow};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::accept::{Answers, accept};
use crate::amounts::Exact;
use crate::budget;
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query, TextParam};
use crate::error::Problem;
use crate::page::{Cursor, Limit, TimeKey, next_page};
use crate::time::{Time, TimeParam};
use crate::{ApiError, ApiState};

/// What `POST /marketing-influencers/campañas` takes. Every key may be missing; unknown keys are ignored.
#[derive(ToSchema)]
#[schema(as = CrearCampaña)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct CampaignBody {
    /// A UUID or any short text; made by Alpes where it is missing.
    #[schema(example = "cmp-123")]
    id: Option<String>,
    #[schema(example = "Lanzamiento X")]
    nombre: Option<String>,
    #[schema(example = "Producto X")]
    producto: Option<String>,
    /// A number or a decimal text, taken exactly as written; 0 where it is missing.
    #[schema(value_type = Option<f64>, example = 1000000)]
    presupuesto: Option<String>,
    /// `COP` (the default), `USD` or `EUR`.
    #[schema(example = "COP")]
    moneda: Option<String>,
    #[schema(example = "MarcaX")]
    marca: Option<String>,
    #[schema(example = json!(["inf-001", "inf-002"]))]
    influencers_ids: Option<Vec<String>>,
    /// Recorded as it is, not interpreted.
    #[schema(value_type = Option<Vec<serde_json::Value>>, example = json!([]))]
    conversiones: Option<Vec<serde_json::Value>>,
    /// When the budget runs out: `alertar` (the default), or `detener` the approval of more.
    #[schema(example = "alertar")]
    politica_presupuesto: Option<String>,
    /// The first instant whose events earn: a whole minute.
    #[schema(example = "2026-01-01T00:00:00Z")]
    fecha_inicio: Option<String>,
    /// The first instant whose events do not earn any more: a whole minute.
    #[schema(example = "2026-07-01T00:00:00Z")]
    fecha_fin: Option<String>,
}

/// Creates a campaign. It is durable when this answers.
#[utoipa::path(post, path = "/marketing-influencers/campañas", tag = "marketing-influencers",
    request_body = CampaignBody,
    params(PreferHeader), responses(Answers))]
pub(crate) async fn create(
    State(state): State<Arc<ApiState>>,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::CreateCampaign, body, prefer).await
}

/// A campaign as last described.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Campaña)]
pub(crate) struct Campaign {
    #[schema(example = "cmp-123")]
    id: String,
    #[serde(rename = "nombre")]
    name: Option<String>,
    #[serde(rename = "producto")]
    product: Option<String>,
    #[serde(rename = "presupuesto")]
    budget: Exact,
    /// What commissions have taken of the budget; not in lists.
    #[serde(rename = "presupuesto_detalle", skip_serializing_if = "Option::is_none")]
    budget_detail: Option<budget::Detail>,
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: String,
    #[serde(rename = "marca")]
    brand: Option<String>,
    #[serde(rename = "influencers_ids")]
    influencers: Vec<String>,
    #[serde(rename = "conversiones")]
    #[schema(value_type = Vec<serde_json::Value>)]
    conversions: Box<RawValue>,
    #[serde(rename = "politica_presupuesto")]
    #[schema(example = "alertar")]
    policy: String,
    #[serde(rename = "fecha_inicio")]
    starts_at: Option<Time>,
    #[serde(rename = "fecha_fin")]
    ends_at: Option<Time>,
    /// As of now.
    #[serde(rename = "estado")]
    #[schema(example = "ACTIVA")]
    state: String,
    /// Since when; null: since it was created.
    #[serde(rename = "estado_desde")]
    state_since: Option<Time>,
    /// Why.
    #[serde(rename = "estado_motivo")]
    #[schema(example = "sin existencias")]
    state_reason: Option<String>,
    /// What it will be next.
    #[serde(rename = "cambio_previsto")]
    next: Option<NextState>,
    #[serde(rename = "fecha_creacion")]
    created_at: Time,
}

/// A state that is still to come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CambioPrevisto)]
struct NextState {
    #[serde(rename = "estado")]
    #[schema(example = "PAUSADA")]
    state: String,
    #[serde(rename = "desde")]
    valid_from: Time,
}

#[derive(Debug, FromRow)]
struct CampaignRow {
    campaign: i32,
    id: String,
    name: Option<String>,
    product: Option<String>,
    brand: Option<String>,
    budget: Decimal,
    currency: String,
    influencers: Vec<String>,
    conversions: String,
    budget_policy: String,
    starts_at: Option<Time>,
    ends_at: Option<Time>,
    state: String,
    state_since: Option<Time>,
    state_reason: Option<String>,
    next_state: Option<String>,
    next_from: Option<Time>,
    created_at: Time,
}

impl From<CampaignRow> for Campaign {
    fn from(row: CampaignRow) -> Self {
        Self {
            budget: Exact::amount(row.budget, &row.currency),
            budget_detail: None,
            // The column holds JSON, checked by PostgreSQL.
            conversions: RawValue::from_string(row.conversions).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            id: row.id,
            name: row.name,
            product: row.product,
            currency: row.currency,
            brand: row.brand,
            influencers: row.influencers,
            policy: row.budget_policy,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            state: row.state,
            state_since: row.state_since,
            state_reason: row.state_reason,
            next: row.next_state.zip(row.next_from).map(|(state, valid_from)| NextState { state, valid_from }),
            created_at: row.created_at,
        }
    }
}

/// Campaigns (`c`) with what they are now (`s`) and will be next.
const SELECT: &str = "
SELECT c.campaign, c.id, c.name, c.product, c.brand, c.budget, c.currency, c.influencers, c.conversions::text, c.budget_policy,
       c.starts_at, c.ends_at, s.state, s.since AS state_since, s.reason AS state_reason, n.state AS next_state, n.valid_from AS next_from,
       c.created_at
FROM campaigns c JOIN current_states s USING (campaign) LEFT JOIN LATERAL (
    SELECT state, valid_from FROM campaign_states WHERE campaign = c.campaign AND valid_from > now()
    ORDER BY valid_from, change DESC LIMIT 1
) n ON true";

/// One campaign.
#[utoipa::path(get, path = "/marketing-influencers/campañas/{id}", tag = "marketing-influencers",
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123")),
    responses((status = OK, body = Campaign), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(State(state): State<Arc<ApiState>>, Id(id): Id) -> Result<Json<Campaign>, ApiError> {
    let select = AssertSqlSafe(format!("{SELECT} WHERE c.tenant = $1 AND c.id = $2"));
    let row: Option<CampaignRow> = sqlx::query_as(select).bind(TENANT).bind(&id).fetch_optional(&state.pool).await?;
    let row = row.ok_or_else(|| ApiError::not_found("Not Found"))?;
    let budget_detail = Some(budget::detail(&state.pool, row.campaign, row.budget, &row.currency).await?);
    Ok(Json(Campaign { budget_detail, ..row.into() }))
}

/// Campaigns, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaCampañas)]
pub(crate) struct Page {
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "campañas")]
    campaigns: Vec<Campaign>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// Which campaigns, and a page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// What they are now: `ACTIVA`, `PAUSADA` or `FINALIZADA`.
    #[param(value_type = Option<String>, example = "ACTIVA")]
    estado: Option<KnownState>,
    /// Exactly this brand.
    #[param(value_type = Option<String>)]
    marca: Option<TextParam>,
    /// Exactly this product.
    #[param(value_type = Option<String>)]
    producto: Option<TextParam>,
    /// `COP`, `USD` or `EUR`.
    #[param(value_type = Option<String>, example = "COP")]
    moneda: Option<KnownCurrency>,
    /// A part of their ids or names, in whatever case.
    #[param(value_type = Option<String>)]
    q: Option<TextParam>,
    /// Created at this instant or later.
    #[param(value_type = Option<String>, example = "2026-01-01T00:00:00Z")]
    desde: Option<TimeParam>,
    /// Created before this instant.
    #[param(value_type = Option<String>, example = "2026-02-01T00:00:00Z")]
    hasta: Option<TimeParam>,
    /// Rows of the page, 1 to 1,000.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// `siguiente` of the page before.
    #[serde(alias = "siguiente")]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// `estado`, which must be one that a campaign can have.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct KnownState(CampaignState);

impl TryFrom<String> for KnownState {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = || format!("no se conoce; uno de {}", CampaignState::ALL.map(CampaignState::name).join(", "));
        CampaignState::from_name(&name).map(Self).ok_or_else(known)
    }
}

/// `moneda`, which must be one that Alpes counts in.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct KnownCurrency(pub(crate) Currency);

impl TryFrom<String> for KnownCurrency {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        let known = |()| format!("no se conoce; una de {}", Currency::ALL.map(Currency::code).join(", "));
        code.parse().map(Self).map_err(known)
    }
}

const WHICH: &str = "
WHERE c.tenant = $1 AND (c.created_at, c.id) < ($2, $3) AND ($5::text IS NULL OR s.state = $5)
  AND ($6::text IS NULL OR c.brand = $6) AND ($7::text IS NULL OR c.product = $7) AND ($8::text IS NULL OR c.currency = $8)
  AND ($9::text IS NULL OR position(lower($9) IN lower(c.id)) > 0 OR position(lower($9) IN lower(c.name)) > 0)
  AND ($10::timestamptz IS NULL OR c.created_at >= $10) AND ($11::timestamptz IS NULL OR c.created_at < $11)
ORDER BY c.created_at DESC, c.id DESC LIMIT $4";

/// Campaigns, newest first.
#[utoipa::path(get, path = "/marketing-influencers/campañas", tag = "marketing-influencers", params(Params),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Query(params): Query<Params>,
) -> Result<Json<Page>, ApiError> {
    let after: Option<TimeKey> = params.cursor.as_ref().map(Cursor::key).transpose()?;
    let after = after.unwrap_or(TimeKey::NEWEST);
    let text = |param: Option<TextParam>| param.map(|TextParam(text)| text);
    let instant = |param: Option<TimeParam>| param.map(|TimeParam(time)| DateTime::<Utc>::from(time));
    let rows: Vec<CampaignRow> = sqlx::query_as(AssertSqlSafe(format!("{SELECT} {WHICH}")))
        .bind(TENANT)
        .bind(DateTime::<Utc>::from(after.time))
        .bind(&after.id)
        .bind(params.limit.rows() as i64)
        .bind(params.estado.map(|KnownState(state)| state.name()))
        .bind(text(params.marca))
        .bind(text(params.producto))
        .bind(params.moneda.map(|KnownCurrency(currency)| currency.code()))
        .bind(text(params.q))
        .bind(instant(params.desde))
        .bind(instant(params.hasta))
        .fetch_all(&state.pool)
        .await?;
    let key = |row: &CampaignRow| TimeKey { time: row.created_at.into(), id: row.id.clone() };
    let next = next_page(&rows, params.limit, key);
    Ok(Json(Page { total: rows.len(), campaigns: rows.into_iter().map(Into::into).collect(), next }))
}

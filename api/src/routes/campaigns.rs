//! `campañas`: created, looked up, listed.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::Kind;
use serde::Serialize;
use serde_json::value::RawValue;
use sinks::TENANT;
use sqlx::FromRow;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::amounts::Exact;
use crate::budget;
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::time::Time;
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

/// A campaign as its creator described it.
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
    #[serde(rename = "estado")]
    #[schema(example = "ACTIVA")]
    state: String,
    #[serde(rename = "fecha_creacion")]
    created_at: Time,
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
    state: String,
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
            state: row.state,
            created_at: row.created_at,
        }
    }
}

const ONE: &str = "
SELECT campaign, id, name, product, brand, budget, currency, influencers, conversions::text, state, created_at
FROM campaigns WHERE tenant = $1 AND id = $2";

/// One campaign.
#[utoipa::path(get, path = "/marketing-influencers/campañas/{id}", tag = "marketing-influencers",
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123")),
    responses((status = OK, body = Campaign), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(State(state): State<Arc<ApiState>>, Id(id): Id) -> Result<Json<Campaign>, ApiError> {
    let row: Option<CampaignRow> = sqlx::query_as(ONE).bind(TENANT).bind(&id).fetch_optional(&state.pool).await?;
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

const LIST: &str = "
SELECT campaign, id, name, product, brand, budget, currency, influencers, conversions::text, state, created_at
FROM campaigns WHERE tenant = $1 AND (created_at, id) < ($2, $3)
ORDER BY created_at DESC, id DESC LIMIT $4";

/// Campaigns, newest first.
#[utoipa::path(get, path = "/marketing-influencers/campañas", tag = "marketing-influencers", params(PageParams),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after = params.after()?.unwrap_or(TimeKey::NEWEST);
    let rows: Vec<CampaignRow> = sqlx::query_as(LIST)
        .bind(TENANT)
        .bind(DateTime::<Utc>::from(after.time))
        .bind(&after.id)
        .bind(params.limit.rows() as i64)
        .fetch_all(&state.pool)
        .await?;
    let key = |row: &CampaignRow| TimeKey { time: row.created_at.into(), id: row.id.clone() };
    let next = next_page(&rows, params.limit, key);
    Ok(Json(Page { total: rows.len(), campaigns: rows.into_iter().map(Into::into).collect(), next }))
}

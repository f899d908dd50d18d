//! `impresiones`: recorded one by one, looked up by id, listed by campaign and by influencer. Clicks are among them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use schemas::{ClaimKey, Kind};
use serde::{Serialize, Serializer};
use sinks::TENANT;
use sqlx::{FromRow, PgPool};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::raw::{Listed, list_of, newest, one_of};
use crate::sums::Subject;
use crate::time::Time;
use crate::{ApiError, ApiState};

/// What `POST /tracking/impresiones` takes. Unknown keys are ignored.
#[derive(ToSchema)]
#[schema(as = RegistrarImpresion)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct ImpressionBody {
    /// Unique among impressions and clicks; made by Alpes where it is missing.
    #[schema(example = "imp-123")]
    id: Option<String>,
    #[schema(rename = "campaña_id", example = "cmp-123")]
    campaign_id: String,
    /// Without one the event counts for the campaign alone.
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    #[schema(example = "usr-101")]
    usuario_id: Option<String>,
    /// `IMPRESION` (the default) or `CLICK`.
    #[schema(example = "IMPRESION")]
    tipo_evento: Option<String>,
    #[schema(example = "Mozilla/5.0")]
    user_agent: Option<String>,
    #[schema(example = "127.0.0.1")]
    ip_address: Option<String>,
    #[schema(example = "https://instagram.com")]
    referrer: Option<String>,
    /// ISO 8601; UTC where it has no zone; now where it is missing.
    #[schema(example = "2025-01-01T12:00:00Z")]
    timestamp: Option<String>,
}

/// Records an impression (or, with `tipo_evento` CLICK, a click). It is durable when this answers.
#[utoipa::path(post, path = "/tracking/impresiones", tag = "tracking", request_body = ImpressionBody,
    params(PreferHeader), responses(Answers))]
pub(crate) async fn record(
    State(state): State<Arc<ApiState>>,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RecordImpression, body, prefer).await
}

/// An impression or a click.
#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = Impresion)]
pub(crate) struct Impression {
    #[schema(example = "imp-123")]
    id: String,
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    #[serde(rename = "usuario_id")]
    #[schema(example = "usr-101")]
    user_id: Option<String>,
    /// `IMPRESION` or `CLICK`.
    #[serde(rename = "tipo_evento", serialize_with = "event_type")]
    #[schema(value_type = String, example = "IMPRESION")]
    click: bool,
    user_agent: Option<String>,
    ip_address: Option<String>,
    referrer: Option<String>,
    /// When it happened.
    #[serde(rename = "timestamp")]
    event_time: Time,
    /// When it was accepted.
    #[serde(rename = "created_at")]
    published_at: Time,
}

fn event_type<S: Serializer>(click: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *click { "CLICK" } else { "IMPRESION" })
}

impl Listed for Impression {
    fn key(&self) -> TimeKey {
        TimeKey { time: self.event_time.into(), id: self.id.clone() }
    }
}

macro_rules! impressions_of {
    ($owner:literal) => {
        list_of!(
            $owner,
            "impressions + clicks",
            "impressions",
            "t.click",
            "window_key(t.campaign, t.event_time, t.influencer) = window_key(w.campaign, w.start, w.influencer)
             AND t.campaign = w.campaign AND t.influencer = w.influencer"
        )
    };
}

const ONE: &str = one_of!("impressions", "t.click");
const OF_CAMPAIGN: &str = impressions_of!("campaign");
const OF_INFLUENCER: &str = impressions_of!("influencer");

/// One impression.
#[utoipa::path(get, path = "/impresiones/{id}", tag = "consultas",
    params(("id" = String, Path, description = "id of the impression", example = "imp-123")),
    responses((status = OK, body = Impression), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(State(state): State<Arc<ApiState>>, Id(id): Id) -> Result<Json<Impression>, ApiError> {
    let key = ClaimKey::new(Kind::RecordImpression, &id);
    let found: Option<Impression> = sqlx::query_as(ONE)
        .bind(TENANT)
        .bind(key.kind.number())
        .bind(key.id)
        .bind(&id)
        .fetch_optional(&state.pool)
        .await?;
    found.map(Json).ok_or_else(|| ApiError::not_found("Impresión no encontrada"))
}

/// A campaign's impressions and clicks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImpresionesDeCampaña)]
pub(crate) struct CampaignPage {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    #[serde(flatten)]
    page: Page,
}

/// An influencer's impressions and clicks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImpresionesDeInfluencer)]
pub(crate) struct InfluencerPage {
    #[schema(example = "inf-001")]
    influencer_id: String,
    #[serde(flatten)]
    page: Page,
}

/// Rows, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaImpresiones)]
pub(crate) struct Page {
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "impresiones")]
    impressions: Vec<Impression>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// A campaign's impressions and clicks, newest first. Empty for an unknown campaign.
#[utoipa::path(get, path = "/campañas/{id}/impresiones", tag = "consultas",
    params(("id" = String, Path, description = "campaña_id", example = "cmp-123"), PageParams),
    responses((status = OK, body = CampaignPage), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_campaign(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<CampaignPage>, ApiError> {
    let campaign = Subject::campaign(&state.pool, &id).await?;
    let page = page(&state.pool, OF_CAMPAIGN, campaign.number, params).await?;
    Ok(Json(CampaignPage { campaign_id: id, page }))
}

/// An influencer's impressions and clicks, newest first. Empty for an unknown influencer.
#[utoipa::path(get, path = "/influencers/{id}/impresiones", tag = "consultas",
    params(("id" = String, Path, description = "influencer_id", example = "inf-001"), PageParams),
    responses((status = OK, body = InfluencerPage), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_influencer(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<InfluencerPage>, ApiError> {
    let influencer = Subject::influencer(&state.pool, &id).await?;
    let page = page(&state.pool, OF_INFLUENCER, influencer.number, params).await?;
    Ok(Json(InfluencerPage { influencer_id: id, page }))
}

async fn page(
    pool: &PgPool,
    statement: &'static str,
    owner: Option<i32>,
    params: PageParams,
) -> Result<Page, ApiError> {
    let cursor = params.after()?;
    let rows: Vec<Impression> = match owner {
        Some(owner) => newest(pool, statement, owner, cursor, params.limit).await?,
        None => Vec::new(),
    };
    Ok(Page { total: rows.len(), next: next_page(&rows, params.limit, Listed::key), impressions: rows })
}

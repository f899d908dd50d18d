//! `campañas/{id}/influencers`: who belongs to a campaign, from when on. Whoever was not removed earns, listed or not.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use schemas::Kind;
use serde::Serialize;
use sinks::TENANT;
use sqlx::FromRow;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::edge::{Id, MemberPath, OptionalBody, Prefer, PreferHeader, Query, with_keys};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, next_page};
use crate::time::Time;
use crate::{ApiError, ApiState};

/// What adding or removing an influencer may say.
#[derive(ToSchema)]
#[schema(as = CambiarPertenencia)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct MemberBody {
    /// The command's id; made by Alpes where it is missing. Sent again, it changes nothing.
    #[schema(example = "alta-1")]
    id: Option<String>,
    /// The first event time that it holds for: a whole minute. Missing: to add, the minute of now; to remove, the next.
    #[schema(example = "2026-01-01T12:00:00Z")]
    desde: Option<String>,
}

/// Adds an influencer to a campaign; who was removed earns again.
#[utoipa::path(put, path = "/marketing-influencers/campañas/{id}/influencers/{influencer_id}",
    tag = "marketing-influencers", request_body = Option<MemberBody>,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"),
           ("influencer_id" = String, Path, description = "influencer_id", example = "inf-001"), PreferHeader),
    responses(Answers))]
pub(crate) async fn add(
    State(state): State<Arc<ApiState>>,
    path: MemberPath,
    prefer: Prefer,
    OptionalBody(body): OptionalBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::AddInfluencer, of_member(&path, body)?, prefer).await
}

/// Removes an influencer from a campaign: what she brings is counted and earns nothing.
#[utoipa::path(delete, path = "/marketing-influencers/campañas/{id}/influencers/{influencer_id}",
    tag = "marketing-influencers", request_body = Option<MemberBody>,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"),
           ("influencer_id" = String, Path, description = "influencer_id", example = "inf-001"), PreferHeader),
    responses(Answers))]
pub(crate) async fn remove(
    State(state): State<Arc<ApiState>>,
    path: MemberPath,
    prefer: Prefer,
    OptionalBody(body): OptionalBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RemoveInfluencer, of_member(&path, body)?, prefer).await
}

fn of_member(path: &MemberPath, body: Option<Bytes>) -> Result<Bytes, ApiError> {
    let body = body.unwrap_or(Bytes::from_static(b"{}"));
    with_keys(&[("campaña_id", &path.campaign), ("influencer_id", &path.influencer)], &body)
}

/// `estado` of an influencer in a campaign.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = EstadoPertenencia)]
pub(crate) enum MemberState {
    /// Earns.
    #[serde(rename = "ACTIVO")]
    Active,
    /// Was removed: earns nothing.
    #[serde(rename = "RETIRADO")]
    Removed,
}

impl MemberState {
    /// As of now.
    pub(crate) const fn of(removed: bool) -> Self {
        if removed { Self::Removed } else { Self::Active }
    }
}

/// Who belongs to a campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InfluencerDeCampaña)]
struct Member {
    #[schema(example = "inf-001")]
    influencer_id: String,
    #[serde(rename = "estado")]
    state: MemberState,
    /// Since when she was last added; whom the creator named, since the campaign was created. Null: never added.
    #[serde(rename = "desde")]
    since: Option<Time>,
    /// From when on she is removed; null: she is not.
    #[serde(rename = "hasta")]
    until: Option<Time>,
}

#[derive(Debug, FromRow)]
struct MemberRow {
    name: String,
    since: Option<Time>,
    until: Option<Time>,
    removed: bool,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        let state = MemberState::of(row.removed);
        Self { influencer_id: row.name, state, since: row.since, until: row.until }
    }
}

/// Who belongs to a campaign or was removed from it, by id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaInfluencersDeCampaña)]
pub(crate) struct Page {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign: String,
    /// Rows in this answer.
    total: usize,
    influencers: Vec<Member>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

const CAMPAIGN: &str = "SELECT campaign FROM campaigns WHERE tenant = $1 AND id = $2";
const LIST: &str =
    "SELECT name, since, until, removed FROM members_of($1) WHERE $2::text IS NULL OR name > $2 ORDER BY name LIMIT $3";

/// Who belongs to a campaign or was removed from it, by id.
#[utoipa::path(get, path = "/marketing-influencers/campañas/{id}/influencers", tag = "marketing-influencers",
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PageParams),
    responses((status = OK, body = Page), (status = NOT_FOUND, body = Problem),
              (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after: Option<String> = params.after()?;
    let number: Option<i32> =
        sqlx::query_scalar(CAMPAIGN).bind(TENANT).bind(&campaign).fetch_optional(&state.pool).await?;
    let number = number.ok_or_else(|| ApiError::not_found("Campaña no encontrada"))?;
    let rows: Vec<MemberRow> =
        sqlx::query_as(LIST).bind(number).bind(after).bind(params.limit.rows() as i64).fetch_all(&state.pool).await?;
    let next = next_page(&rows, params.limit, |row| row.name.clone());
    Ok(Json(Page { campaign, total: rows.len(), influencers: rows.into_iter().map(Into::into).collect(), next }))
}

//! `influencers/{id}` of marketing: who they are, and the campaigns that they belong to. Personal data.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use schemas::Kind;
use serde::Serialize;
use sinks::TENANT;
use sqlx::FromRow;
use std::sync::Arc;
use utoipa::ToSchema;

use super::members::MemberState;
use crate::accept::{Answers, accept};
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query, with_keys};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::time::Time;
use crate::{ApiError, ApiState};

/// Campaigns shown of one influencer: more than anybody works for, and about 100 kB.
const CAMPAIGNS_MAX: i64 = 1_000;

/// What `PUT /marketing-influencers/influencers/{id}` takes. A later version stands in for the one before as a whole: what
/// it leaves out is erased.
#[derive(ToSchema)]
#[schema(as = RegistrarInfluencer)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct ProfileBody {
    /// The command's id; made by Alpes where it is missing. Sent again, it changes nothing.
    #[schema(example = "registro-1")]
    id: Option<String>,
    #[schema(example = "Ana Pérez")]
    nombre: Option<String>,
    #[schema(example = "ana@example.com")]
    email: Option<String>,
    #[schema(example = "1.020.304.050")]
    cedula: Option<String>,
}

/// Registers an influencer, in place of what was known before.
#[utoipa::path(put, path = "/marketing-influencers/influencers/{id}", tag = "marketing-influencers",
    request_body = ProfileBody,
    params(("id" = String, Path, description = "influencer_id", example = "inf-001"), PreferHeader),
    responses(Answers))]
pub(crate) async fn register(
    State(state): State<Arc<ApiState>>,
    Id(influencer): Id,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RegisterInfluencer, with_keys(&[("influencer_id", &influencer)], &body)?, prefer).await
}

/// An influencer as last described.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = Influencer)]
pub(crate) struct Profile {
    #[schema(example = "inf-001")]
    id: String,
    #[serde(rename = "nombre")]
    name: Option<String>,
    email: Option<String>,
    #[serde(rename = "cedula")]
    identity_card: Option<String>,
    #[serde(rename = "fecha_registro")]
    registered_at: Time,
    #[serde(rename = "fecha_actualizacion")]
    updated_at: Time,
}

/// A campaign that an influencer belongs to or was removed from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampañaDeInfluencer)]
struct CampaignOf {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    id: String,
    #[serde(rename = "estado")]
    state: MemberState,
    #[serde(rename = "desde")]
    since: Option<Time>,
    #[serde(rename = "hasta")]
    until: Option<Time>,
}

#[derive(Debug, FromRow)]
struct CampaignRow {
    id: String,
    since: Option<Time>,
    until: Option<Time>,
    removed: bool,
}

impl From<CampaignRow> for CampaignOf {
    fn from(row: CampaignRow) -> Self {
        Self { id: row.id, state: MemberState::of(row.removed), since: row.since, until: row.until }
    }
}

/// An influencer with her campaigns.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InfluencerConCampañas)]
pub(crate) struct ProfileWithCampaigns {
    #[serde(flatten)]
    profile: Profile,
    /// By id, 1,000 at most.
    #[serde(rename = "campañas")]
    campaigns: Vec<CampaignOf>,
}

const ONE: &str = "
SELECT id, name, email, identity_card, registered_at, updated_at FROM influencers WHERE tenant = $1 AND id = $2";

const CAMPAIGNS: &str = "
SELECT c.id, m.since, m.until, m.removed
FROM (SELECT campaign FROM campaigns WHERE tenant = $1 AND influencers @> ARRAY[$2::text]
      UNION
      SELECT m.campaign FROM influencer_names n JOIN memberships m USING (influencer)
      WHERE n.tenant = $1 AND n.name = $2) k
JOIN campaigns c USING (campaign) CROSS JOIN LATERAL members_of(c.campaign) m
WHERE m.name = $2 ORDER BY c.id LIMIT $3";

/// An influencer who was registered, with the campaigns that name her.
#[utoipa::path(get, path = "/marketing-influencers/influencers/{id}", tag = "marketing-influencers",
    params(("id" = String, Path, description = "influencer_id", example = "inf-001")),
    responses((status = OK, body = ProfileWithCampaigns), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
) -> Result<Json<ProfileWithCampaigns>, ApiError> {
    let profile: Option<Profile> = sqlx::query_as(ONE).bind(TENANT).bind(&id).fetch_optional(&state.pool).await?;
    let profile = profile.ok_or_else(|| ApiError::not_found("Influencer no encontrado"))?;
    let rows: Vec<CampaignRow> =
        sqlx::query_as(CAMPAIGNS).bind(TENANT).bind(&id).bind(CAMPAIGNS_MAX).fetch_all(&state.pool).await?;
    Ok(Json(ProfileWithCampaigns { profile, campaigns: rows.into_iter().map(Into::into).collect() }))
}

/// Influencers, those who were registered last first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaInfluencers)]
pub(crate) struct Page {
    /// Rows in this answer.
    total: usize,
    influencers: Vec<Profile>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

const LIST: &str = "
SELECT id, name, email, identity_card, registered_at, updated_at
FROM influencers WHERE tenant = $1 AND (registered_at, id) < ($2, $3)
ORDER BY registered_at DESC, id DESC LIMIT $4";

/// Influencers who were registered, the newest first.
#[utoipa::path(get, path = "/marketing-influencers/influencers", tag = "marketing-influencers", params(PageParams),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after = params.after()?.unwrap_or(TimeKey::NEWEST);
    let rows: Vec<Profile> = sqlx::query_as(LIST)
        .bind(TENANT)
        .bind(DateTime::<Utc>::from(after.time))
        .bind(&after.id)
        .bind(params.limit.rows() as i64)
        .fetch_all(&state.pool)
        .await?;
    let key = |row: &Profile| TimeKey { time: row.registered_at.into(), id: row.id.clone() };
    let next = next_page(&rows, params.limit, key);
    Ok(Json(Page { total: rows.len(), influencers: rows, next }))
}

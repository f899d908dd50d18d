//! `campañas/{id}/pausar`, `/reanudar`, `/finalizar`: what a campaign is, from when on.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use schemas::Kind;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::edge::{Id, OptionalBody, Prefer, PreferHeader, with_keys};
use crate::{ApiError, ApiState};

/// What a change of state may say.
#[derive(ToSchema)]
#[schema(as = CambiarEstado)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct StateBody {
    /// The command's id; made by Alpes where it is missing. Sent again, it changes nothing.
    #[schema(example = "pausa-1")]
    id: Option<String>,
    /// The first event time that it holds for: a whole minute, not before the last change's. Missing: the next minute.
    #[schema(example = "2026-01-01T12:00:00Z")]
    desde: Option<String>,
    #[schema(example = "sin existencias")]
    motivo: Option<String>,
}

/// Pauses a campaign: its events are counted and earn nothing, until it goes on.
#[utoipa::path(post, path = "/marketing-influencers/campañas/{id}/pausar", tag = "marketing-influencers",
    request_body = Option<StateBody>,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PreferHeader),
    responses(Answers))]
pub(crate) async fn pause(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    prefer: Prefer,
    OptionalBody(body): OptionalBody,
) -> Result<Response, ApiError> {
    change(&state, Kind::PauseCampaign, &campaign, body, prefer).await
}

/// Lets a campaign that was paused go on.
#[utoipa::path(post, path = "/marketing-influencers/campañas/{id}/reanudar", tag = "marketing-influencers",
    request_body = Option<StateBody>,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PreferHeader),
    responses(Answers))]
pub(crate) async fn resume(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    prefer: Prefer,
    OptionalBody(body): OptionalBody,
) -> Result<Response, ApiError> {
    change(&state, Kind::ResumeCampaign, &campaign, body, prefer).await
}

/// Ends a campaign for good: its events are counted and earn nothing.
#[utoipa::path(post, path = "/marketing-influencers/campañas/{id}/finalizar", tag = "marketing-influencers",
    request_body = Option<StateBody>,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PreferHeader),
    responses(Answers))]
pub(crate) async fn end(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    prefer: Prefer,
    OptionalBody(body): OptionalBody,
) -> Result<Response, ApiError> {
    change(&state, Kind::EndCampaign, &campaign, body, prefer).await
}

async fn change(
    state: &ApiState,
    kind: Kind,
    campaign: &str,
    body: Option<Bytes>,
    prefer: Prefer,
) -> Result<Response, ApiError> {
    let body = body.unwrap_or(Bytes::from_static(b"{}"));
    accept(state, kind, with_keys(&[("campaña_id", campaign)], &body)?, prefer).await
}

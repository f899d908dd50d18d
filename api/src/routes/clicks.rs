//! `clics`: an impression body whose `tipo_evento` is CLICK.

use axum::extract::State;
use axum::response::Response;
use schemas::Kind;
use std::sync::Arc;

use super::impressions::ImpressionBody;
use crate::accept::{Accepted, accept};
use crate::edge::{CommandBody, Prefer};
use crate::error::Problem;
use crate::outcome::Outcome;
use crate::{ApiError, ApiState};

/// Records a click: the body of an impression, whose `tipo_evento` is CLICK or missing. Durable when this answers.
#[utoipa::path(post, path = "/tracking/clics", tag = "tracking", request_body = ImpressionBody,
    params(("Prefer" = Option<String>, Header, description = "wait=N: answer when it is counted, within N seconds", example = "wait=5")),
    responses(
        (status = ACCEPTED, description = "Durable; Location says where its outcome is", body = Accepted<'static>),
        (status = OK, description = "Dealt with (with Prefer: wait)", body = Outcome),
        (status = CONFLICT, description = "The id is taken (with Prefer: wait)", body = Problem),
        (status = PAYLOAD_TOO_LARGE, body = Problem),
        (status = UNSUPPORTED_MEDIA_TYPE, body = Problem),
        (status = UNPROCESSABLE_ENTITY, description = "Faulty; not recorded", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "Try again after Retry-After", body = Problem),
    ))]
pub(crate) async fn record(
    State(state): State<Arc<ApiState>>,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RecordClick, body, prefer).await
}

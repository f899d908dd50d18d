//! `clics`: an impression body whose `tipo_evento` is CLICK.

use axum::extract::State;
use axum::response::Response;
use schemas::Kind;
use std::sync::Arc;

use super::impressions::ImpressionBody;
use crate::accept::{Answers, accept};
use crate::edge::{CommandBody, Prefer, PreferHeader};
use crate::{ApiError, ApiState};

/// Records a click: the body of an impression, whose `tipo_evento` is CLICK or missing. Durable when this answers.
#[utoipa::path(post, path = "/tracking/clics", tag = "tracking", request_body = ImpressionBody,
    params(PreferHeader), responses(Answers))]
pub(crate) async fn record(
    State(state): State<Arc<ApiState>>,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RecordClick, body, prefer).await
}

//! Whether Alpes is there, able to work, and how it is doing.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

use crate::{ApiError, ApiState};

/// How long a command may wait in the log before Alpes stops calling itself ready: lines that are started again take
/// seconds, so a minute means that nobody reads.
const READY_LAG_MAX: Duration = Duration::from_secs(60);

/// A greeting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Saludo)]
pub(crate) struct Greeting {
    #[schema(example = "OK")]
    message: &'static str,
}

/// The API is there.
#[utoipa::path(get, path = "/", tag = "salud", responses((status = OK, body = Greeting)))]
pub(crate) async fn root() -> Json<Greeting> {
    Json(Greeting { message: "OK" })
}

/// The tracking API is there.
#[utoipa::path(get, path = "/tracking/health", tag = "salud", responses((status = OK, body = Greeting)))]
pub(crate) async fn tracking() -> Json<Greeting> {
    Json(Greeting { message: "Tracking API is healthy" })
}

/// The queries are there.
#[utoipa::path(get, path = "/tracking/queries/health", tag = "salud", responses((status = OK, body = Greeting)))]
pub(crate) async fn queries() -> Json<Greeting> {
    Json(Greeting { message: "Tracking Queries API is healthy" })
}

/// The campaigns API is there.
#[utoipa::path(get, path = "/marketing-influencers/health", tag = "salud", responses((status = OK, body = Greeting)))]
pub(crate) async fn marketing() -> Json<Greeting> {
    Json(Greeting { message: "Marketing Influencers API is healthy" })
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Vivo)]
pub(crate) struct Live {
    #[serde(rename = "estado")]
    #[schema(example = "VIVO")]
    state: &'static str,
    /// Since the process started.
    #[serde(rename = "segundos")]
    seconds: u64,
}

/// The process answers; if it does not, start it again.
#[utoipa::path(get, path = "/health/live", tag = "salud", responses((status = OK, body = Live)))]
pub(crate) async fn live(State(state): State<Arc<ApiState>>) -> Json<Live> {
    Json(Live { state: "VIVO", seconds: state.started.elapsed().as_secs() })
}

/// It can do its work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Listo)]
pub(crate) struct Ready {
    #[serde(rename = "estado")]
    #[schema(example = "LISTO")]
    state: &'static str,
    /// How long the oldest command that is not dealt with has been waiting, in milliseconds.
    #[serde(rename = "retraso_ms")]
    lag_ms: i64,
}

/// The age of the oldest command that a line has still to read. A replay tells nothing, for it may carry an old time.
/// Fails while the schema is not there.
const LAG: &str = r#"
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - m.published_at) * 1000), 0)::bigint
FROM log_heads h
LEFT JOIN lines l ON l.flow = h.flow AND l.source = 'log-' || h.partition
CROSS JOIN LATERAL (
    SELECT published_at FROM log WHERE partition = h.partition AND "offset" = coalesce(l.entry, -1) + 1 AND replay_of IS NULL
) AS m
WHERE coalesce(l.entry, -1) + 1 < h.next
"#;

/// The database answers, its schema is there, and no command waits for long.
#[utoipa::path(get, path = "/health/ready", tag = "salud", responses(
    (status = OK, body = Ready),
    (status = SERVICE_UNAVAILABLE, description = "Not now", body = crate::error::Problem),
))]
pub(crate) async fn ready(State(state): State<Arc<ApiState>>) -> Result<Json<Ready>, ApiError> {
    let lag: Result<i64, sqlx::Error> = sqlx::query_scalar(LAG).fetch_one(&state.pool).await;
    let lag_ms = lag.map_err(|error| {
        tracing::warn!(%error, "not ready");
        ApiError::unavailable("La base de datos no está lista.")
    })?;
    let lag_ms = lag_ms.max(0);
    if lag_ms as u128 > READY_LAG_MAX.as_millis() {
        return Err(ApiError::unavailable("Hay comandos que esperan demasiado.").with("retraso_ms", lag_ms));
    }
    Ok(Json(Ready { state: "LISTO", lag_ms }))
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "salud", responses(
    (status = OK, description = "Prometheus text format", body = String, content_type = "text/plain"),
))]
pub(crate) async fn metrics(State(state): State<Arc<ApiState>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], state.metrics.render())
}

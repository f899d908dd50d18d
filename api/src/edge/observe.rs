//! The duration of every request, by route and status; its count is the number of requests.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::histogram;
use std::time::Instant;

/// The route of requests that have none: their paths are anybody's invention and must not become labels.
const NO_ROUTE: &str = "-";

/// Measures one request.
pub(crate) async fn observe(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let status = response.status().as_u16().to_string();
    histogram!("alpes_http_request_duration_seconds", "route" => route, "status" => status).record(started.elapsed());
    response
}

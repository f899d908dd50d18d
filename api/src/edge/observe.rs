//! Around every request: its duration by route and status (whose count is the number of requests), and its panics.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use metrics::histogram;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use crate::ApiError;

/// The route of requests that have none: their paths are anybody's invention and must not become labels.
const NO_ROUTE: &str = "-";

/// Answers one request, measured. One layer for both, since each layer costs every request an allocation.
pub(crate) async fn observe(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    // A handler shares nothing with other requests that a panic could leave half done.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    // The panic hook has logged what and where.
    let response = answer.unwrap_or_else(|_| ApiError::internal().into_response());
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let status = response.status().as_u16().to_string();
    histogram!("alpes_http_request_duration_seconds", "route" => route, "status" => status).record(started.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_panic_is_a_problem_of_one_request() {
        async fn panics() -> Response {
            panic!("for the test")
        }
        let router = Router::new().route("/", get(panics)).layer(from_fn(observe));
        for _ in 0..2 {
            let request = Request::get("/").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
    }
}

//! Around every request: its duration by route and status (whose count is the number of requests), and its panics.

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::{Histogram, histogram};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};

use crate::ApiError;

/// The route of requests that have none: their paths are anybody's invention and must not become labels.
const NO_ROUTE: &str = "-";

/// Observes every request of a router.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observe;

/// One route, observed. A service of its own: one for both its concerns, with one allocation for each request.
#[derive(Debug, Clone)]
pub(crate) struct Observed<S> {
    route: S,
    durations: Arc<Durations>,
}

/// A route's histograms by status, kept: to find them by their labels would take longer than to record.
#[derive(Debug, Default)]
struct Durations(RwLock<Vec<(StatusCode, Histogram)>>);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, route: S) -> Observed<S> {
        Observed { route, durations: Arc::default() }
    }
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.route.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (started, durations) = (Instant::now(), self.durations.clone());
        let path = request.extensions().get::<MatchedPath>().cloned();
        // A handler shares nothing with other requests that a panic could leave half done.
        let answer = AssertUnwindSafe(self.route.call(request)).catch_unwind();
        Box::pin(async move {
            // The panic hook has logged what and where.
            let response = answer.await.unwrap_or_else(|_| Ok(ApiError::internal().into_response()))?;
            let path = path.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
            durations.of(path, response.status()).record(started.elapsed());
            Ok(response)
        })
    }
}

impl Durations {
    /// The histogram of this route's answers with `status`.
    fn of(&self, path: &str, status: StatusCode) -> Histogram {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, histogram)) = known.iter().find(|(known, _)| *known == status) {
            return histogram.clone();
        }
        drop(known);
        let (route, code) = (path.to_owned(), status.as_u16().to_string());
        let histogram = histogram!("alpes_http_request_duration_seconds", "route" => route, "status" => code);
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((status, histogram.clone()));
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_panic_is_a_problem_of_one_request() {
        async fn panics() -> Response {
            panic!("for the test")
        }
        let router = Router::new().route("/", get(panics)).layer(Observe);
        for _ in 0..2 {
            let request = Request::get("/").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
    }
}

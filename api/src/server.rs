//! HTTP/1 with a bound on everything that a client could make grow: connections, headers, and the time for each.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics::gauge;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tower::ServiceExt as _;

/// What a client may take of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; more wait in the system's backlog. Each takes about 20 kB when idle.
    pub connections: usize,
    /// How long a client may take for the headers of a request, and so also how long it may stay idle between requests.
    pub header_read: Duration,
    /// Bytes of request line and headers: the longest path here is under 2 kB, cookies are not used.
    pub header_bytes: usize,
    /// How long requests under way may go on when the server stops: longer than the longest `Prefer: wait`.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_read: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            drain: Duration::from_secs(35),
        }
    }
}

/// After a failed accept (out of file descriptors, say): long enough for a connection to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets the requests under way end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    serve_within(Limits::default(), listener, router, shutdown).await;
}

/// The same within other limits.
pub async fn serve_within(limits: Limits, listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let (places, graceful) = (Arc::new(Semaphore::new(limits.connections)), GracefulShutdown::new());
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let connection = graceful.watch(http(limits).serve_connection(TokioIo::new(stream), service(&router)));
        tokio::spawn(async move {
            gauge!("alpes_http_connections").increment(1);
            // Clients come and go as they please: how a connection ended is nobody's concern.
            let _ = connection.await;
            gauge!("alpes_http_connections").decrement(1);
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(limits.drain) => tracing::warn!("some requests did not end in time"),
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // Never closed, so it always has a place in the end.
        let Ok(place) = places.clone().acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small; waiting for more to send would only delay them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn http(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_read).max_header_size(limits.header_bytes);
    // Answers are small: head and body go out as one piece.
    http.writev(false);
    http
}

fn service(
    router: &Router,
) -> TowerToHyperService<
    impl tower::Service<
        hyper::Request<Incoming>,
        Response = axum::response::Response,
        Error = std::convert::Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static,
> {
    let body = |request: hyper::Request<Incoming>| -> Request { request.map(Body::new) };
    TowerToHyperService::new(router.clone().map_request(body))
}

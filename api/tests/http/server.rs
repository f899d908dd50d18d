//! The server itself, over real connections: framing, bounds, an orderly end.

use api::server::{Limits, serve_within};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::Api;

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn run(limits: Limits) -> (Api, Running) {
    let api = Api::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve_within(limits, listener, api.router.clone(), shutdown));
    (api, Running { address, stop, server })
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes the connection.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into()
    }
}

fn quick() -> Limits {
    Limits { header_read: Duration::from_millis(300), ..Limits::default() }
}

const COMMAND: &str = r#"{"campaña_id":"c"}"#;

#[tokio::test]
async fn paths_arrive_with_and_without_ñ() {
    let (_api, running) = run(quick()).await;
    for spelling in ["campañas", "campanas", "campa%C3%B1as", "campa%c3%b1as"] {
        let request =
            format!("GET /tracking/queries/{spelling}/x/estadisticas HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = running.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{spelling}: {answer}");
    }
    let decomposed =
        "GET /tracking/queries/campan\u{303}as/x/estadisticas HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(running.exchange(decomposed.as_bytes()).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn requests_share_a_connection() {
    let (_api, running) = run(quick()).await;
    let request =
        format!("POST /tracking/impresiones HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{COMMAND}", COMMAND.len());
    let answer = running.exchange(request.repeat(3).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 202 Accepted").count(), 3, "{answer}");
}

#[tokio::test]
async fn framing_that_cannot_be_trusted_is_refused() {
    let (api, running) = run(quick()).await;
    let post = "POST /tracking/impresiones HTTP/1.1\r\nhost: a\r\n";
    // Two lengths; a length that is none.
    for framing in ["content-length: 3\r\ncontent-length: 4\r\n\r\n{}", "content-length: x\r\n\r\n{}"] {
        let answer = running.exchange(format!("{post}{framing}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{framing:?}: {answer}");
    }
    // A length and chunks: chunks decide, and the connection ends.
    let both = "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = running.exchange(format!("{post}{both}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    // A body that is cut short by the end of the connection.
    let mut stream = running.connect().await;
    stream.write_all(format!("{post}content-length: 100\r\n\r\n{COMMAND}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert_eq!(api.log().await, []);
}

#[tokio::test]
async fn large_or_slow_headers_are_given_up() {
    let (_api, running) = run(quick()).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    assert!(running.exchange(large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let started = Instant::now();
    let answer = running.exchange(b"GET / HTTP/1.1\r\nhost: ").await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let (_api, running) = run(Limits { connections: 1, ..Limits::default() }).await;
    let first = running.connect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut second = running.connect().await;
    second.write_all(request).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err());
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn it_ends_when_requests_under_way_have_ended() {
    let (api, running) = run(Limits::default()).await;
    let idle = running.connect().await;
    let mut busy = running.connect().await;
    let body = r#"{"campaña_id":"c"}"#;
    let request = format!(
        "POST /tracking/impresiones HTTP/1.1\r\nhost: a\r\nprefer: wait=1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    busy.write_all(request.as_bytes()).await.unwrap();
    while api.log().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.stop.send(()).unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    tokio::time::timeout(Duration::from_secs(10), running.server).await.unwrap().unwrap();
    drop(idle);
}

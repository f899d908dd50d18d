//! Load that keeps to its schedule whatever the answers do, and probes that measure how long an event takes to be seen.
//!
//! `cargo run --release --example openloop -- HOST:PORT EVENTS_PER_SECOND SECONDS PROBES_PER_SECOND`
//!
//! Every request has an instant at which it is due, and its time is counted from there: a server that stalls makes all
//! requests late that were due meanwhile, none is left out (no coordinated omission). Prints JSON, times in µs.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

/// Connections of the load: so many that requests hardly wait for one another on this side.
const LOAD_CONNECTIONS: usize = 256;
/// Connections of the probes: so many that one that is not seen at once does not delay the next.
const PROBE_CONNECTIONS: usize = 32;
/// Between two looks of a probe: the resolution of what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// An event that is not seen by then is a fault.
const VISIBLE_MAX: Duration = Duration::from_secs(30);
const CAMPAIGNS: u64 = 1_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, numbers @ ..] = &arguments[..] else { panic!("HOST:PORT EVENTS/S SECONDS PROBES/S") };
    let [rate, seconds, probes] = numbers else { panic!("HOST:PORT EVENTS/S SECONDS PROBES/S") };
    let [rate, seconds, probes] = [rate, seconds, probes].map(|number| number.parse::<u64>().unwrap());
    let (load, probing) = (Schedule::new(rate, seconds), Schedule::new(probes, seconds));
    let load = run(LOAD_CONNECTIONS, server, load, Request::Post);
    let probing = run(PROBE_CONNECTIONS, server, probing, Request::Probe);
    let (answers, visible) = tokio::join!(load, probing);
    println!("{}", json!({"answered": summary(answers), "visible": summary(visible)}));
}

/// What is done at an instant.
#[derive(Clone, Copy)]
enum Request {
    /// An event of one of many campaigns.
    Post,
    /// An event of a campaign of its own, until it is counted.
    Probe,
}

/// Instants at which requests are due, handed out in order.
struct Schedule {
    start: Instant,
    per_second: u64,
    requests: u64,
    next: AtomicU64,
}

impl Schedule {
    fn new(per_second: u64, seconds: u64) -> Arc<Self> {
        let requests = per_second * seconds;
        Arc::new(Self { start: Instant::now(), per_second, requests, next: AtomicU64::new(0) })
    }

    async fn next(&self) -> Option<(u64, Instant)> {
        let number = self.next.fetch_add(1, Relaxed);
        let due = self.start + Duration::from_nanos(number * 1_000_000_000 / self.per_second.max(1));
        if number >= self.requests {
            return None;
        }
        sleep_until(due).await;
        Some((number, due))
    }
}

/// Does a request for each instant, over the connections that are free; returns the microseconds from when it was due.
async fn run(connections: usize, server: &str, schedule: Arc<Schedule>, request: Request) -> Vec<u64> {
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (server, schedule) = (server.to_owned(), schedule.clone());
        workers.spawn(async move {
            let (mut client, mut took) = (Client::connect(&server).await, Vec::new());
            while let Some((number, due)) = schedule.next().await {
                match request {
                    Request::Post => client.post(&format!("cmp-{:04}", 1 + number % CAMPAIGNS)).await,
                    Request::Probe => client.probe().await,
                }
                took.push(due.elapsed().as_micros() as u64);
            }
            took
        });
    }
    workers.join_all().await.concat()
}

fn summary(mut micros: Vec<u64>) -> Value {
    micros.sort_unstable();
    let at = |per_thousand: usize| micros.get((micros.len() * per_thousand / 1_000).min(micros.len().max(1) - 1));
    json!({"count": micros.len(), "p50": at(500), "p99": at(990), "p999": at(999), "max": micros.last()})
}

/// HTTP/1.1 over one connection, just enough for measuring: a client that does more takes the cores of the server.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(server: &str) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    async fn post(&mut self, campaign: &str) {
        let body = json!({
            "id": Uuid::now_v7(), "campaña_id": campaign, "influencer_id": "inf-00001", "tipo_evento": "IMPRESION",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "ip_address": "127.0.0.1",
            "referrer": "https://instagram.com",
        });
        let (body, head) = (body.to_string(), "Host: alpes\r\nContent-Type: application/json");
        let length = body.len();
        let request =
            format!("POST /tracking/impresiones HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        let (status, answer) = self.ask(&request).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// Posts the first event of a campaign and looks until it is counted.
    async fn probe(&mut self) {
        let campaign = format!("probe-{}", Uuid::now_v7());
        let begun = Instant::now();
        self.post(&campaign).await;
        let look = format!("GET /tracking/queries/campanas/{campaign}/estadisticas HTTP/1.1\r\nHost: alpes\r\n\r\n");
        while !self.ask(&look).await.1.contains(r#""total_impresiones":1"#) {
            assert!(begun.elapsed() < VISIBLE_MAX, "{campaign} is not visible");
            sleep(LOOK_EVERY).await;
        }
    }

    /// The status and the body of the answer.
    async fn ask(&mut self, request: &str) -> (u16, String) {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the server closed the connection");
            if let Some(answer) = parse(&self.buffer) {
                return answer;
            }
        }
    }
}

/// The answer, once all of it is there.
fn parse(bytes: &[u8]) -> Option<(u16, String)> {
    let text = str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.unwrap_or(0);
    (body.len() >= length).then(|| (status, body.to_owned()))
}

//! One chunk, delivered: again and again until the server has said that it is durable.

use std::time::Duration;

use rand::Rng;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::chunks::Chunk;
use crate::console;

/// How long a chunk is tried after its first failure: a restart with recovery of the database fits in.
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest Retry-After that is obeyed: more is asked again before.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From request to answer: a healthy server needs milliseconds, one whose disk is busy seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the chunks of one file.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    endpoint: String,
    digest: String,
}

/// What the server made of a chunk.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(rename = "aceptados")]
    pub(super) accepted: u64,
    #[serde(rename = "rechazados")]
    pub(super) rejected: u64,
    #[serde(rename = "errores", default)]
    pub(super) errors: Vec<LineError>,
    #[serde(rename = "errores_omitidos", default)]
    pub(super) errors_left_out: u64,
    /// How often it was sent before that.
    #[serde(skip)]
    pub(super) retries: u64,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LineError {
    #[serde(rename = "linea")]
    pub(super) line: u64,
    #[serde(rename = "codigo")]
    pub(super) code: String,
    #[serde(rename = "detalle")]
    pub(super) detail: String,
}

/// Why a chunk cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The URL is not one of an Alpes.
    #[error("{0}: a URL must begin with http:// or https:// and name a host")]
    Url(String),
    /// The system lacks something that a client needs.
    #[error("no client can be made")]
    Client(#[source] reqwest::Error),
    /// No answer, or one that asks to try again, for longer than is waited.
    #[error("no success in {} s; the last try: {last}", PATIENCE.as_secs())]
    GaveUp {
        /// What the last try ended with.
        last: String,
    },
    /// An answer that another try would not change.
    #[error("the server answered {status}: {body}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The beginning of its body.
        body: String,
    },
}

/// How one try failed.
enum Failure {
    /// Another try may succeed, not before this pause.
    Passing(String, Option<Duration>),
    Lasting(SendError),
}

impl Sender {
    /// To the Alpes at `url`; `digest` leads the keys of the chunks.
    pub(super) fn new(url: &str, digest: String) -> Result<Self, SendError> {
        let no_url = || SendError::Url(url.to_owned());
        let endpoint = format!("{}/tracking/lotes", url.trim_end_matches('/'));
        let parsed = reqwest::Url::parse(&endpoint).map_err(|_| no_url())?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(no_url());
        }
        // An error only says that somebody chose the cryptography before us.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Straight to the host: a proxy of the environment is for the world outside.
        let client = Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT).build();
        let client = client.map_err(SendError::Client)?;
        Ok(Self { client, endpoint, digest })
    }

    /// Delivers a chunk. Its key lets the server tell a chunk whose answer was lost from a new one.
    pub(super) async fn send(&self, chunk: &Chunk) -> Result<Answer, SendError> {
        let (mut pause, mut failing_since, mut retries) = (FIRST_PAUSE, None, 0);
        loop {
            let (last, at_least) = match self.try_once(chunk).await {
                Ok(answer) => return Ok(Answer { retries, ..answer }),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(last, at_least)) => (last, at_least),
            };
            let since = *failing_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= PATIENCE {
                return Err(SendError::GaveUp { last });
            }
            tracing::debug!(offset = chunk.offset, last, "trying again");
            tokio::time::sleep(jittered(pause).max(at_least.unwrap_or_default())).await;
            pause = (pause * 2).min(PAUSE_MAX);
            retries += 1;
        }
    }

    async fn try_once(&self, chunk: &Chunk) -> Result<Answer, Failure> {
        let request = self
            .client
            .post(&self.endpoint)
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(CONTENT_ENCODING, "zstd")
            .header("Idempotency-Key", format!("{}:{}", self.digest, chunk.offset))
            .body(chunk.body.clone());
        let response = request.send().await.map_err(|error| passing(&error))?;
        if response.status().is_success() {
            return response.json().await.map_err(|error| passing(&error));
        }
        Err(failed(response).await)
    }
}

/// Whatever happens on the way to an answer may not happen again.
fn passing(error: &reqwest::Error) -> Failure {
    Failure::Passing(console::chain(error), None)
}

async fn failed(response: Response) -> Failure {
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let body = beginning(&response.text().await.unwrap_or_default());
    let may_pass =
        status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if may_pass {
        Failure::Passing(format!("{status}: {body}"), retry_after)
    } else {
        Failure::Lasting(SendError::Refused { status, body })
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Half to all of a pause: senders that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    rand::rng().random_range(pause / 2..=pause)
}

/// As much of a text as fits a line of a terminal or two.
fn beginning(text: &str) -> String {
    const CHARACTERS: usize = 200;
    console::printable(&text.chars().take(CHARACTERS).collect::<String>())
}

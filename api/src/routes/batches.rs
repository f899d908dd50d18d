//! `lotes`: commands by the thousand, one JSON object a line, durable chunk by chunk while the body still arrives.

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use schemas::Timestamp;
use schemas::message::Encoding;
use serde::Serialize;
use sinks::{ChunkKey, LogEntry, LogWriter};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accept::judge;
use crate::edge::{InflateError, Inflater, Lines};
use crate::error::Problem;
use crate::{ApiError, ApiState};

/// Lines of a chunk at most: an append of them locks the log's heads for some milliseconds.
const CHUNK_LINES_MAX: usize = 2_000;
/// Bytes of a chunk from which on it is appended.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Faulty lines that are listed in the answer; the others are only counted. All of them are in the list of rejects.
const ERRORS_MAX: usize = 1_000;
/// How long a sender may pause within a body.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a full log is waited for before the sender is told to try again.
const FULL_LOG_MAX: Duration = Duration::from_secs(5);
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What became of a batch's lines.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Lote)]
pub(crate) struct Tally {
    /// Lines that are durable and will be counted.
    #[serde(rename = "aceptados")]
    #[schema(example = 1998)]
    accepted: u64,
    /// Lines that are durable, and will be found in the list of rejects.
    #[serde(rename = "rechazados")]
    #[schema(example = 2)]
    rejected: u64,
    /// The first 1,000 faults.
    #[serde(rename = "errores")]
    errors: Vec<LineError>,
    /// Faulty lines that are not listed.
    #[serde(rename = "errores_omitidos")]
    #[schema(example = 0)]
    errors_left_out: u64,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = FaltaDeLinea)]
pub(crate) struct LineError {
    /// Counted from 1, empty lines included.
    #[serde(rename = "linea")]
    line: u64,
    #[serde(rename = "codigo")]
    #[schema(example = "campo_faltante")]
    code: &'static str,
    #[serde(rename = "detalle")]
    #[schema(example = "campaña_id: falta")]
    detail: String,
}

/// Records many commands. NDJSON, plain, gzip or zstd; each line names its `comando`. A faulty line does not stop the
/// others: it becomes a reject. With `Idempotency-Key`, sending the same body again changes nothing.
#[utoipa::path(post, path = "/tracking/lotes", tag = "tracking",
    request_body(content_type = "application/x-ndjson", content = String,
        example = "{\"comando\":\"registrar-impresion\",\"id\":\"imp-1\",\"campaña_id\":\"cmp-123\"}\n"),
    params(
        ("Content-Encoding" = Option<String>, Header, description = "gzip or zstd", example = "zstd"),
        ("Idempotency-Key" = Option<String>, Header, description = "Chunks of the same body under the same key are recorded once", example = "file-7"),
    ),
    responses(
        (status = ACCEPTED, description = "Everything is durable", body = Tally),
        (status = BAD_REQUEST, description = "The body broke off; what is durable is told", body = Problem),
        (status = REQUEST_TIMEOUT, body = Problem),
        (status = PAYLOAD_TOO_LARGE, body = Problem),
        (status = UNSUPPORTED_MEDIA_TYPE, description = "An unknown Content-Encoding", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "Try again after Retry-After; what is durable is told", body = Problem),
    ))]
pub(crate) async fn record(
    State(state): State<Arc<ApiState>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let too_many = |_| ApiError::unavailable("Hay demasiados lotes a la vez; inténtelo de nuevo en un momento.");
    let _place = state.batches.try_acquire().map_err(too_many)?;
    let mut batch =
        Batch { log: &state.log, key: key(&headers)?, chunks: 0, chunk: Chunk::default(), tally: Tally::default() };
    match batch.read(inflater(&headers)?, body.into_data_stream()).await {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(batch.tally)).into_response()),
        Err(error) => Err(error.with("aceptados", batch.tally.accepted).with("rechazados", batch.tally.rejected)),
    }
}

fn inflater(headers: &HeaderMap) -> Result<Inflater, ApiError> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap_or_default());
    let unsupported = || ApiError::unsupported_media_type("Content-Encoding debe ser gzip o zstd.");
    match coding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("identity") => Ok(Inflater::plain()),
        Some("gzip" | "x-gzip") => Ok(Inflater::gzip()),
        // Only memory could be missing.
        Some("zstd") => Inflater::zstd().map_err(|_| ApiError::internal()),
        Some(_) => Err(unsupported()),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX);
    let unfit =
        || ApiError::parameter("Idempotency-Key", format!("debe tener de 1 a {KEY_BYTES_MAX} caracteres ASCII"));
    key.map(|key| Some(key.to_owned())).ok_or_else(unfit)
}

/// A batch under way.
struct Batch<'a> {
    log: &'a LogWriter,
    key: Option<String>,
    chunks: i32,
    chunk: Chunk,
    tally: Tally,
}

/// Lines that will be appended together.
#[derive(Default)]
struct Chunk {
    entries: Vec<LogEntry>,
    bytes: usize,
    accepted: u64,
    errors: Vec<LineError>,
}

impl Batch<'_> {
    /// Reads to the end. What was appended before an error stays; the chunk under way is dropped with it.
    async fn read(&mut self, mut inflater: Inflater, mut body: BodyDataStream) -> Result<(), ApiError> {
        let mut lines = Lines::default();
        while let Some(bytes) = next(&mut body).await? {
            let mut compressed = bytes;
            while let Some(plain) = inflater.next(&mut compressed)? {
                lines.push(&plain);
                while let Some((number, line)) = lines.next() {
                    self.add(number, line).await?;
                }
            }
        }
        inflater.finish()?;
        if let Some((number, line)) = lines.last() {
            self.add(number, line).await?;
        }
        self.append().await
    }

    /// Takes one line. Chunks are cut by lines and bytes alone, so that the same body has the same chunks.
    async fn add(&mut self, number: u64, line: Bytes) -> Result<(), ApiError> {
        let (published_at, assigned) = (Timestamp::now(), Uuid::now_v7());
        self.chunk.bytes += line.len();
        let (key, assigned_id) = match judge(None, &Encoding::Json, &line, published_at, assigned) {
            Ok(sound) => {
                self.chunk.accepted += 1;
                (sound.key, sound.needs_id.then_some(assigned))
            }
            Err(unsound) => {
                let code = unsound.faults.code().name();
                self.chunk.errors.push(LineError { line: number, code, detail: unsound.faults.to_string() });
                (unsound.key, Some(assigned))
            }
        };
        // Its `comando` says what it is, to the line as to us.
        let entry = LogEntry {
            kind: None,
            key,
            published_at,
            assigned_id,
            replay_of: None,
            payload: line,
            encoding: Encoding::Json,
        };
        self.chunk.entries.push(entry);
        if self.chunk.entries.len() >= CHUNK_LINES_MAX || self.chunk.bytes >= CHUNK_BYTES {
            self.append().await?;
        }
        Ok(())
    }

    /// Makes the chunk durable, then counts it. The sender is read on only after that: this is the back-pressure.
    async fn append(&mut self) -> Result<(), ApiError> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.entries.is_empty() {
            return Ok(());
        }
        let key = self.key.as_deref().map(|key| chunk_key(key, self.chunks, &chunk.entries));
        let Chunk { entries, accepted, errors, .. } = chunk;
        // An append of unknown outcome is not tried again here: the sender does, with a key or with ids that make it
        // harmless.
        self.log.append_patiently(entries, key, FULL_LOG_MAX).await?;
        self.chunks += 1;
        self.tally.count(accepted, errors);
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, accepted: u64, errors: Vec<LineError>) {
        self.accepted += accepted;
        self.rejected += errors.len() as u64;
        let listed = ERRORS_MAX.saturating_sub(self.errors.len()).min(errors.len());
        self.errors_left_out += (errors.len() - listed) as u64;
        self.errors.extend(errors.into_iter().take(listed));
    }
}

/// The next bytes of the body.
async fn next(body: &mut BodyDataStream) -> Result<Option<Bytes>, ApiError> {
    let bytes = timeout(PAUSE_MAX, body.next()).await.map_err(|_| ApiError::timeout())?;
    bytes.transpose().map_err(|_| ApiError::bad_request("El cuerpo no llegó entero."))
}

/// The key holds the chunk's contents too: another body under the same key is another body, not lost.
fn chunk_key(key: &str, chunk: i32, entries: &[LogEntry]) -> ChunkKey {
    let mut hasher = blake3::Hasher::new();
    for entry in entries {
        hasher.update(&entry.payload);
        hasher.update(b"\n");
    }
    ChunkKey { key: format!("{key}/{}", hasher.finalize().to_hex()), chunk }
}

impl From<InflateError> for ApiError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Corrupt => Self::bad_request("El cuerpo comprimido está dañado o incompleto."),
            InflateError::TooLarge => Self::too_large("El lote ocupa demasiado sin comprimir; divídalo en varios."),
        }
    }
}

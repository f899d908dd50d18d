//! The log: commands are durable in it before anybody is told that they were accepted.
//!
//! [`LogWriter`] is what the API holds: a bounded queue in front of one task (or a few), which appends whatever has
//! gathered while the last append was under way (group commit). Where it appends to is a [`LogBackend`]: PostgreSQL or Pulsar.

pub(crate) mod postgres;
mod pulsar;
mod retention;

use bytes::Bytes;
use metrics::{counter, histogram};
use schemas::message::Encoding;
use schemas::{Command, Kind, Position, Timestamp};
use std::time::{Duration, Instant};
use std::{future::Future, hash::Hasher, sync::Arc};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::{task::yield_now, time::timeout};
use uuid::Uuid;

pub use postgres::PostgresLog;
pub use pulsar::{LANES, PulsarLog};
pub use retention::drop_read_segments;

/// Requests that may wait for the log; one more is answered 503. At 25,000 requests a second this is 0.3 s of waiting.
pub const WAITING_REQUESTS_MAX: usize = 8_192;
/// Commands in one append: bounds the time that the heads of the log stay locked.
pub const APPEND_COMMANDS_MAX: usize = 8_192;
/// Bytes of payload in one append.
pub const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A command on its way into the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its kind, where the way it came tells; else its `comando` does.
    pub kind: Option<Kind>,
    /// Commands with the same key keep their order.
    pub key: PartitionKey,
    /// When it was accepted.
    pub published_at: Timestamp,
    /// An id for the case that the payload has none.
    pub assigned_id: Option<Uuid>,
    /// The reject that it mends.
    pub replay_of: Option<i64>,
    /// The bytes as the producer sent them.
    pub payload: Bytes,
    /// What they are written in.
    pub encoding: Encoding,
}

/// Which flow reads a command, and which of that flow's partitions it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionKey {
    /// The flow.
    pub flow: Flow,
    /// A hash of campaign and influencer, or of a reversal's conversion.
    pub hash: u64,
}

/// A dataflow with partitions of its own in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// Impressions, clicks, conversions, reversals; and whatever cannot be told.
    Tracking,
    /// Campaigns.
    Campaigns,
}

impl Flow {
    /// The name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracking => "tracking",
            Self::Campaigns => "campaigns",
        }
    }

    /// The flow that reads commands of `kind`.
    pub const fn of(kind: Kind) -> Self {
        if kind.is_tracking() { Self::Tracking } else { Self::Campaigns }
    }
}

impl PartitionKey {
    /// The key of an event: campaign and influencer, so that a window is written by one line.
    pub fn tracking(campaign: &str, influencer: Option<&str>) -> Self {
        Self { flow: Flow::Tracking, hash: hash(&[campaign, influencer.unwrap_or_default()]) }
    }

    /// The key of a reversal: all of one conversion's are in one line.
    pub fn reversal(conversion: &str) -> Self {
        Self { flow: Flow::Tracking, hash: hash(&[conversion]) }
    }

    /// The key of a campaign, or of an influencer where there is none.
    pub fn campaign(id: &str) -> Self {
        Self { flow: Flow::Campaigns, hash: hash(&[id]) }
    }

    /// The key of a sound command.
    pub fn of(command: &Command) -> Self {
        match command {
            Command::Track(event) => Self::tracking(&event.campaign, event.influencer.as_deref()),
            Command::Reverse(reversal) => Self::reversal(&reversal.conversion),
            Command::Campaign(command) => {
                Self::campaign(command.campaign().or(command.influencer()).unwrap_or_default())
            }
        }
    }

    /// The key of bytes that could not be read.
    pub fn unreadable(payload: &[u8]) -> Self {
        Self::stray(Flow::Tracking, payload)
    }

    /// The key of a command that came to another flow: only its bytes are known there.
    pub fn stray(flow: Flow, payload: &[u8]) -> Self {
        let mut hasher = Fnv::default();
        hasher.write(payload);
        Self { flow, hash: hasher.finish() }
    }
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = Fnv::default();
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write(&[0xff]);
    }
    hasher.finish()
}

/// FNV-1a with a final mix: the same in every process and version, as a partition key must be.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }
}

/// Where a command lies now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The flow that reads it.
    pub flow: Flow,
    /// The source partition's name, as in `lines.source`: `log-2`.
    pub source: Arc<str>,
    /// The place in it.
    pub position: Position,
}

/// Names a chunk of a batch, so that sending it again does not append it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkKey {
    /// The sender's idempotency key.
    pub key: String,
    /// Which chunk of the batch.
    pub chunk: i32,
}

/// Why a command was not appended. The sender may try again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The queue is full: come back later.
    #[error("the log's queue is full")]
    Full,
    /// The log cannot be reached; whether the command was appended may be unknown.
    #[error("the log is not available: {0}")]
    Unavailable(String),
}

/// Commands that belong together, with the one who waits for them.
#[derive(Debug)]
pub struct AppendRequest {
    /// The commands.
    pub entries: Vec<LogEntry>,
    /// Set for a chunk that must not be appended twice.
    pub chunk: Option<ChunkKey>,
    reply: oneshot::Sender<Appended>,
}

impl AppendRequest {
    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.payload.len()).sum()
    }
}

/// A request's receipts in the order of its entries; none for a chunk that lay there already.
pub type Appended = Result<Vec<Receipt>, LogError>;

/// A place to append to.
pub trait LogBackend: Send + 'static {
    /// Appends a group after all groups that it was given before; returns what became of each request. Durable when it
    /// returns; of a request that failed, parts may be there all the same.
    fn append(&mut self, group: &[AppendRequest]) -> impl Future<Output = Vec<Appended>> + Send;
}

/// The queue in front of the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogWriter {
    queue: mpsc::Sender<AppendRequest>,
}

impl LogWriter {
    /// Starts the appending task. It ends when the last writer is dropped and the queue is empty.
    pub fn start(backend: impl LogBackend) -> Self {
        Self::start_lanes([backend])
    }

    /// The same with several backends, each of which takes the next group as soon as its last one is durable: for a log
    /// that takes long to answer. Commands that nobody sends at the same time keep their order all the same.
    pub fn start_lanes(backends: impl IntoIterator<Item = impl LogBackend>) -> Self {
        let (queue, requests) = mpsc::channel(WAITING_REQUESTS_MAX);
        let requests = Arc::new(Mutex::new(requests));
        for backend in backends {
            tokio::spawn(append_in_groups(backend, requests.clone()));
        }
        Self { queue }
    }

    /// Appends one command.
    pub async fn append(&self, entry: LogEntry) -> Result<Receipt, LogError> {
        let receipts = self.append_all(vec![entry], None).await?;
        receipts.into_iter().next().ok_or_else(|| LogError::Unavailable("no receipt".into()))
    }

    /// Appends some commands as one; with a `chunk` key at most once (then there are no receipts the second time).
    pub async fn append_all(&self, entries: Vec<LogEntry>, chunk: Option<ChunkKey>) -> Result<Vec<Receipt>, LogError> {
        let place = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => LogError::Full,
            mpsc::error::TrySendError::Closed(()) => shutting_down(),
        })?;
        send(place, entries, chunk).await
    }

    /// The same where a full queue is waited for, at most as long as `patience`.
    pub async fn append_patiently(
        &self,
        entries: Vec<LogEntry>,
        chunk: Option<ChunkKey>,
        patience: Duration,
    ) -> Result<Vec<Receipt>, LogError> {
        let place = timeout(patience, self.queue.reserve()).await.map_err(|_| LogError::Full)?;
        send(place.map_err(|_| shutting_down())?, entries, chunk).await
    }
}

async fn send(place: mpsc::Permit<'_, AppendRequest>, entries: Vec<LogEntry>, chunk: Option<ChunkKey>) -> Appended {
    let (reply, answer) = oneshot::channel();
    place.send(AppendRequest { entries, chunk, reply });
    answer.await.unwrap_or_else(|_| Err(shutting_down()))
}

fn shutting_down() -> LogError {
    LogError::Unavailable("shutting down".into())
}

async fn append_in_groups(mut backend: impl LogBackend, queue: Arc<Mutex<mpsc::Receiver<AppendRequest>>>) {
    while let Some(group) = next_group(&queue).await {
        let started = Instant::now();
        let outcomes = backend.append(&group).await;
        histogram!("alpes_log_append_seconds").record(started.elapsed());
        answer(group, outcomes);
    }
}

async fn next_group(queue: &Mutex<mpsc::Receiver<AppendRequest>>) -> Option<Vec<AppendRequest>> {
    let mut queue = queue.lock().await;
    let first = queue.recv().await?;
    // Whoever is ready to send something does so first: without waiting for anybody, groups become larger.
    yield_now().await;
    Some(gather(first, &mut queue))
}

/// The first request and what waits behind it, up to the bounds of one append. A keyed chunk goes alone.
fn gather(first: AppendRequest, queue: &mut mpsc::Receiver<AppendRequest>) -> Vec<AppendRequest> {
    let (mut commands, mut bytes) = (first.entries.len(), first.bytes());
    let mut group = vec![first];
    while commands < APPEND_COMMANDS_MAX && bytes < APPEND_BYTES_MAX {
        let Ok(next) = queue.try_recv() else { break };
        commands += next.entries.len();
        bytes += next.bytes();
        group.push(next);
    }
    group
}

fn answer(group: Vec<AppendRequest>, outcomes: Vec<Appended>) {
    if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
        tracing::warn!(%error, requests = group.len(), "append failed; its senders were told to try again");
    }
    let appended = group.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
    let commands: usize = appended.map(|(request, _)| request.entries.len()).sum();
    counter!("alpes_log_appended_commands_total").increment(commands as u64);
    for (request, outcome) in group.into_iter().zip(outcomes) {
        // A sender that has gone away does not want its receipt; the command stays appended.
        let _ = request.reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_keys_are_the_same_for_ever() {
        assert_eq!(
            PartitionKey::tracking("cmp-1", Some("inf-1")).hash,
            PartitionKey::tracking("cmp-1", Some("inf-1")).hash
        );
        assert_ne!(PartitionKey::tracking("ab", Some("c")).hash, PartitionKey::tracking("a", Some("bc")).hash);
        assert_eq!(PartitionKey::tracking("cmp-123", None).hash, 3_834_193_019_192_657_471);
    }
}

//! What a source is: batches of messages with positions, in order, from where PostgreSQL says the line stands.

use futures::{Stream, StreamExt, stream};
use operators::{Batch, Ids, Readers};
use schemas::{RawMessage, Span};
use std::future::Future;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;

use crate::{LineError, SourceError};

/// Messages in one batch: what one transaction can take at full speed without holding its locks for long.
/// Half as many saved 80 MB of a backfill and cost PostgreSQL an eighth to a quarter more CPU (two pairs of runs).
pub const BATCH_MESSAGES_MAX: usize = 16_000;
/// Bytes of payload in one batch; up to three batches are in memory at once per line.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a woken reader lets messages gather at least: an epoch takes about as long, and what comes together should be
/// one.
pub(crate) const GATHER: Duration = Duration::from_millis(5);
/// How long it lets them gather at most, when many come: larger epochs leave more of the machine to the intake.
const GATHER_MAX: Duration = Duration::from_millis(200);
/// What each message a second adds to the gathering: the longest is reached at 5,000 a second in one partition.
const GATHER_PER_RATE: Duration = Duration::from_micros(40);
/// Decoded batches that wait, or are being read, while one commits.
const BATCHES_AHEAD: usize = 1;

/// One partition of the log, a file, later a topic's partition.
///
/// It starts after the position that the line has committed, yields messages in order of position, each exactly once
/// per run, and never anything at or below the committed position.
pub trait Source: Send + Sized + 'static {
    /// How it is told what it may forget.
    type Acks: Acknowledge;

    /// The partition's name, as in `lines.source`.
    fn name(&self) -> &str;

    /// Which flows read it.
    fn readers(&self) -> Readers {
        Readers::Every
    }

    /// What tells its commands apart.
    fn ids(&self) -> Ids {
        Ids::Sent
    }

    /// The handle for acknowledging.
    fn acks(&self) -> Self::Acks;

    /// Waits for the next messages: few when idle, many when behind. `None` is the end.
    fn next_batch(&mut self) -> impl Future<Output = Result<Option<Batch<RawMessage>>, SourceError>> + Send;
}

/// Called after a span has committed. The position in PostgreSQL is the truth; this only lets the source forget.
pub trait Acknowledge: Send + 'static {
    /// The source may forget `span`. Must not block; a lost acknowledgement does no harm.
    fn acknowledge(&mut self, span: &Span);
}

/// For sources that forget by retention instead.
#[derive(Debug, Clone, Copy)]
pub struct NothingToAcknowledge;

impl Acknowledge for NothingToAcknowledge {
    fn acknowledge(&mut self, _: &Span) {}
}

/// How long to let messages gather when `messages` came in the last `elapsed`.
pub(crate) fn gathering(messages: usize, elapsed: Duration) -> Duration {
    let rate = messages as u128 * 1_000 / elapsed.as_millis().max(1);
    let gather = GATHER_PER_RATE.saturating_mul(u32::try_from(rate).unwrap_or(u32::MAX));
    gather.clamp(GATHER, GATHER_MAX)
}

/// The stream that a source is at the head of a line.
pub trait Batches: Source {
    /// All batches until the end or the first error.
    fn batches(self) -> impl Stream<Item = Result<Batch<RawMessage>, LineError>> + Send {
        stream::unfold(Some(self), |source| async move {
            let mut source = source?;
            match source.next_batch().await {
                Ok(Some(batch)) => Some((Ok(batch), Some(source))),
                Ok(None) => None,
                Err(error) => Some((Err(error.into()), None)),
            }
        })
    }
}

impl<S: Source> Batches for S {}

/// Runs everything before this point in a task of its own, so that the next batch is ready when this one has committed.
pub(crate) fn ahead<T: Send + 'static>(
    stream: impl Stream<Item = Result<T, LineError>> + Send + 'static,
) -> impl Stream<Item = Result<T, LineError>> + Send {
    let (sender, receiver) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        // Room first: a batch is tens of megabytes, and one that found none would be one more. Without a receiver the
        // line behind has stopped, and its batches will be read again from the stored position.
        while let Ok(room) = sender.reserve().await {
            let Some(batch) = stream.next().await else { break };
            room.send(batch);
        }
    });
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_gather_longer_the_more_comes() {
        let second = Duration::from_secs(1);
        assert_eq!(gathering(0, second), GATHER);
        assert_eq!(gathering(100, second), GATHER);
        assert_eq!(gathering(250, second), Duration::from_millis(10));
        assert_eq!(gathering(2_000, second), Duration::from_millis(80));
        assert_eq!(gathering(usize::MAX, Duration::ZERO), GATHER_MAX);
    }
}

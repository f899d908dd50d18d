//! One partition of a Pulsar topic as a source.
//!
//! The broker decides which worker reads a partition (a Failover subscription), and the epoch number in PostgreSQL
//! fences whoever was there before. So a worker subscribes, and takes the line only when the first message comes: it is
//! the sign that the partition was given to it. Where to go on is PostgreSQL's position, never the broker's cursor:
//! what is at or below it is dropped. Acknowledgements follow the commits and only let the broker forget.

mod gap;
pub mod idle;
mod inbox;
mod schema;

pub(crate) use inbox::remember;
pub use inbox::{Inbox, TopicPartition};

use bytes::Bytes;
use futures::StreamExt;
use operators::{Batch, Ids, Readers};
use pulsar::consumer::Message;
use pulsar::error::{ConnectionError, ConsumerError};
use pulsar::message::proto::MessageIdData;
use pulsar::{Consumer, TokioExecutor};
use schemas::message::{Encoding, Origin};
use schemas::{Position, RawMessage, Span, Timestamp};
use sinks::line::Ownership;
use sinks::pulsar::{Broker, BrokerError, COMMANDS, SUBSCRIPTION};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::{timeout, timeout_at};

use crate::source::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, gathering};
use crate::{Acknowledge, Source, SourceError};
use inbox::ended;
use schema::Schemas;

/// How long nothing may come until the broker is asked whether there is something: a consumer can go deaf in silence.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the rest of an entry may take: the client has it whole when it hands out its first message.
const ENTRY_MAX: Duration = Duration::from_secs(10);
/// How long the broker may take to say what its last message is.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Entries in a row that the client could not decode: so many are not poison, something else is wrong.
const UNDECODABLE_MAX: u64 = 1_000;

type Consuming = Consumer<Vec<u8>, TokioExecutor>;
type Received = Message<Vec<u8>>;
/// What a consumer hands out; none when it has ended.
type Next = Option<Result<Received, pulsar::Error>>;

/// The messages of one partition behind a position.
pub struct PulsarSource {
    broker: Broker,
    from: TopicPartition,
    name: String,
    consumer: OwnedMutexGuard<Consuming>,
    /// Received, not looked at yet.
    waiting: Option<Received>,
    /// The last message that was handed on.
    position: Position,
    /// The ledger of the last message that came, whether it was handed on or not.
    ledger: i64,
    committed: watch::Sender<Position>,
    acknowledged: Position,
    gap_accepted: Option<Position>,
    ownership: Ownership,
    /// Entries behind `position` that the client could not decode: it says so without saying which.
    undecodable: u64,
    schemas: Schemas,
    gather: Duration,
    shutdown: watch::Receiver<bool>,
}

/// A batch that is being filled.
struct Filling {
    after: Position,
    messages: Vec<RawMessage>,
    bytes: usize,
    /// Whether the last message was the last one of its entry: only there may a batch end.
    whole: bool,
}

impl Filling {
    fn is_full(&self) -> bool {
        self.messages.len() >= BATCH_MESSAGES_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// Whether nothing more is to be taken in.
    fn is_complete(&self) -> bool {
        self.whole && self.is_full()
    }

    fn push(&mut self, message: RawMessage) {
        self.bytes += message.origin.payload.len();
        self.messages.push(message);
    }
}

impl PulsarSource {
    /// The next message; none when it is time to stop, or when the broker was found to have nothing.
    async fn receive(&mut self) -> Result<Option<Received>, SourceError> {
        if let Some(message) = self.waiting.take() {
            return Ok(Some(message));
        }
        let (mut committed, mut shutdown) = (self.committed.subscribe(), self.shutdown.clone());
        loop {
            self.acknowledge().await?;
            let received = tokio::select! {
                received = timeout(SILENCE, self.consumer.next()) => received,
                _ = committed.changed() => continue,
                _ = shutdown.wait_for(|stop| *stop) => return Ok(None),
            };
            match received {
                Ok(message) => {
                    if let Some(message) = self.decoded(message)? {
                        return Ok(Some(message));
                    }
                }
                Err(_) if self.undecodable > 0 => return Ok(None),
                Err(_) => self.check_hearing().await?,
            }
        }
    }

    /// A message, or none in place of an entry that the client could not decode.
    fn decoded(&mut self, message: Next) -> Result<Option<Received>, SourceError> {
        match message {
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) if is_undecodable(&error) && self.undecodable < UNDECODABLE_MAX => {
                tell_undecodable(&self.name, &error);
                self.undecodable += 1;
                Ok(None)
            }
            Some(Err(error)) => Err(BrokerError::from(error).into()),
            None => Err(ended(&self.from).into()),
        }
    }

    /// Tells the broker what has been committed.
    async fn acknowledge(&mut self) -> Result<(), SourceError> {
        let committed = *self.committed.borrow();
        let (Ok(ledger_id), Ok(entry_id)) = (u64::try_from(committed.ledger), u64::try_from(committed.entry)) else {
            return Ok(());
        };
        if committed > self.acknowledged {
            // Epochs end with entries, so the whole entry is meant. No answer comes, and none is needed.
            let id = MessageIdData { ledger_id, entry_id, ..MessageIdData::default() };
            let topic = self.broker.topic(&self.from.partition);
            self.consumer.cumulative_ack_with_id(&topic, id).await.map_err(BrokerError::from)?;
            self.acknowledged = committed;
        }
        Ok(())
    }

    /// Nothing has come for a while: is there nothing, has another worker been given the partition, or do we not hear?
    async fn check_hearing(&mut self) -> Result<(), SourceError> {
        if !self.ownership.is_ours().await? {
            return Err(SourceError::GivenAway(self.name.clone()));
        }
        let asked = timeout(ANSWER_MAX, self.consumer.get_last_message_id()).await;
        let deaf = |why: String| SourceError::from(BrokerError::Consumer(format!("{}: {why}", self.name)));
        let ids = asked.map_err(|_| deaf("the broker does not answer".into()))?.map_err(BrokerError::from)?;
        let last = ids.first().map_or(Position::START, position_of_entry);
        if (last.ledger, last.entry) > (self.position.ledger, self.position.entry) {
            return Err(deaf(format!("nothing comes, but there is {}:{}", last.ledger, last.entry)));
        }
        Ok(())
    }

    /// Fills a batch: what comes within the gathering time, up to its bounds, to the end of an entry.
    async fn fill(&mut self, first: Option<Received>) -> Result<Filling, SourceError> {
        let begun = Instant::now();
        let deadline = tokio::time::Instant::now() + self.gather;
        let mut filling = Filling { after: self.position, messages: Vec::new(), bytes: 0, whole: true };
        match first {
            Some(first) => self.take(&mut filling, first).await?,
            None => self.take_undecodable_tail(&mut filling).await?,
        }
        while !filling.is_complete() {
            let until = if filling.whole { deadline } else { tokio::time::Instant::now() + ENTRY_MAX };
            match timeout_at(until, self.consumer.next()).await {
                Ok(message) => {
                    if let Some(message) = self.decoded(message)? {
                        self.take(&mut filling, message).await?;
                    }
                }
                Err(_) if filling.whole => break,
                Err(_) => return Err(BrokerError::Consumer(format!("{}: an entry broke off", self.name)).into()),
            }
        }
        self.gather = gathering(filling.messages.len(), begun.elapsed());
        Ok(filling)
    }

    /// Takes one message in: drops what was committed before, notices what is missing.
    async fn take(&mut self, filling: &mut Filling, message: Received) -> Result<(), SourceError> {
        let at = position(&message);
        // Once for each ledger: what is delivered again may be thousands of messages of ledgers that are long over.
        if at.ledger != self.ledger {
            self.check_incarnation().await?;
            self.ledger = at.ledger;
        }
        if at <= self.position {
            metrics::counter!("alpes_source_redelivered_messages_total").increment(1);
            filling.whole = ends_entry(&message, at);
            return Ok(());
        }
        if at.index <= 0 || filling.messages.is_empty() {
            self.check_gap(filling, at).await?;
        }
        let encoding = self.schemas.encoding(&self.broker.admin, message.metadata()).await?;
        filling.whole = ends_entry(&message, at);
        self.position = at;
        filling.push(raw(message, at, encoding));
        Ok(())
    }

    /// Ledgers change when they are full, when the broker starts anew, and when somebody made the topic again.
    async fn check_incarnation(&self) -> Result<(), SourceError> {
        let incarnation = self.broker.admin.incarnation(&self.from.partition).await?;
        if incarnation == self.from.incarnation {
            return Ok(());
        }
        let what = format!("{} was deleted and made again; it is read from its beginning", self.from.partition);
        tracing::error!(source = %self.name, position = %self.position, "{what}; what was behind the position is gone");
        Err(BrokerError::Consumer(what).into())
    }

    /// Is there anything between the last message and the one at `at`? What the client could not decode becomes
    /// messages of its own; anything else that is missing must not be passed over in silence.
    async fn check_gap(&mut self, filling: &mut Filling, at: Position) -> Result<(), SourceError> {
        let skipped = gap::skipped(self.position, at);
        if skipped == Some(0) && self.undecodable == 0 {
            return Ok(());
        }
        match skipped {
            Some(entries) if entries > 0 && entries <= self.undecodable => {
                let first = if at.ledger == self.position.ledger { self.position.entry + 1 } else { 0 };
                for entry in first..at.entry {
                    filling.push(undecodable(Position { ledger: at.ledger, entry, index: -1 }));
                }
                self.undecodable = 0;
                return Ok(());
            }
            Some(0) => {
                // The client complained and then handed everything out after all: a reconnect in between.
                self.undecodable = 0;
                return Ok(());
            }
            _ => {}
        }
        let extent = self.broker.admin.extent(&self.from.partition, SUBSCRIPTION).await?;
        if !gap::is_gap(self.position, at, &extent.ledgers, self.ownership.seen().await?) {
            return Ok(());
        }
        if self.gap_accepted.is_some_and(|accepted| at <= accepted) {
            tracing::warn!(source = %self.name, after = %self.position, next = %at, "going on behind an accepted gap");
            return Ok(());
        }
        let (after, next) = (self.position.to_string(), at.to_string());
        Err(SourceError::Gap { source_name: self.name.clone(), after, next })
    }

    /// Entries at the very end that the client could not decode: no later message tells how many they are.
    async fn take_undecodable_tail(&mut self, filling: &mut Filling) -> Result<(), SourceError> {
        let last = self.broker.admin.extent(&self.from.partition, SUBSCRIPTION).await?.last;
        let next = Position { ledger: last.ledger, entry: last.entry + 1, index: -1 };
        if self.undecodable > 0 && gap::skipped(self.position, next) == Some(self.undecodable) {
            self.check_gap(filling, next).await?;
            self.position = Position { index: -1, ..last };
        } else if self.undecodable > 0 {
            return Err(BrokerError::Consumer(format!("{}: undecodable entries, but which?", self.name)).into());
        }
        Ok(())
    }
}

fn tell_undecodable(source: &str, error: &pulsar::Error) {
    tracing::warn!(source, %error, "an entry cannot be decoded; it becomes a reject");
}

/// The kinds of error that concern one entry only.
const fn is_undecodable(error: &pulsar::Error) -> bool {
    matches!(
        error,
        pulsar::Error::Consumer(ConsumerError::Io(_)) | pulsar::Error::Connection(ConnectionError::Decoding(_))
    )
}

fn position(message: &Received) -> Position {
    let batched = message.message_id.batch_size.is_some();
    let index = message.message_id().batch_index.filter(|_| batched).unwrap_or(-1);
    Position { index, ..position_of_entry(message.message_id()) }
}

/// Whether the message at `at` is the last one of its entry.
fn ends_entry(message: &Received, at: Position) -> bool {
    message.message_id.batch_size.is_none_or(|size| at.index.max(0) + 1 >= size)
}

fn position_of_entry(id: &MessageIdData) -> Position {
    // An empty topic says u64::MAX, which is -1 in Java.
    let number = |id: u64| i64::try_from(id).unwrap_or(-1);
    Position { ledger: number(id.ledger_id), entry: number(id.entry_id), index: -1 }
}

fn raw(message: Received, position: Position, encoding: Encoding) -> RawMessage {
    let published_at = Timestamp::from_unix_millis(message.payload.metadata.publish_time);
    let payload = Bytes::from(message.payload.data);
    RawMessage {
        origin: Origin { position, published_at, assigned_id: None, replay_of: None, payload, encoding },
        kind: None,
    }
}

/// In place of an entry whose bytes the client did not hand out.
fn undecodable(position: Position) -> RawMessage {
    let why =
        "el cliente no pudo descomprimir o separar la entrada (¿snappy, o un lote dañado?); envíela sin comprimir";
    RawMessage {
        origin: Origin {
            position,
            published_at: Timestamp::now(),
            assigned_id: None,
            replay_of: None,
            payload: Bytes::new(),
            encoding: Encoding::Unsupported(why.into()),
        },
        kind: None,
    }
}

/// Tells the source what has been committed; it tells the broker.
#[derive(Debug)]
pub struct Commits(watch::Sender<Position>);

impl Acknowledge for Commits {
    fn acknowledge(&mut self, span: &Span) {
        self.0.send_replace(span.through);
    }
}

impl Source for PulsarSource {
    type Acks = Commits;

    fn name(&self) -> &str {
        &self.name
    }

    fn readers(&self) -> Readers {
        // Each partition is read by one flow: the broker sends nothing twice for the sake of a few strays.
        Readers::One
    }

    fn ids(&self) -> Ids {
        let by_position = self.broker.settings.ids_by_position.contains(&self.from.topic);
        if by_position { Ids::Position } else { Ids::Sent }
    }

    fn acks(&self) -> Commits {
        Commits(self.committed.clone())
    }

    async fn next_batch(&mut self) -> Result<Option<Batch<RawMessage>>, SourceError> {
        loop {
            if *self.shutdown.borrow() {
                return Ok(None);
            }
            let first = self.receive().await?;
            if first.is_none() && self.undecodable == 0 {
                return Ok(None);
            }
            let Filling { after, messages, .. } = self.fill(first).await?;
            if !messages.is_empty() {
                let span = Span { after, through: self.position, messages: messages.len() as u64 };
                return Ok(Some(Batch::new(messages, span)));
            }
        }
    }
}

/// Which flow reads a partition of [`COMMANDS`]: the first is for campaigns.
pub fn is_campaigns_partition(topic: &str, partition: u32) -> bool {
    topic == COMMANDS && partition == 0
}

//! The log in Pulsar: commands as Avro on partitions of their own topic, accepted when the broker's receipt is there.

use futures::future::join_all;
use metrics::counter;
use pulsar::producer::{Message, SendFuture};
use pulsar::proto::CommandSendReceipt;
use pulsar::{Producer, ProducerOptions, TokioExecutor};
use schemas::Position;
use schemas::avro::{self, AvroError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{AppendRequest, Appended, Flow, LogBackend, LogEntry, LogError, PartitionKey, Receipt};
use crate::pulsar::{Broker, BrokerError, COMMANDS, PulsarSettings, avro_schema, partition_name};

/// Groups on their way to the broker at once: a receipt takes ten times as long as a commit in PostgreSQL, and a batching
/// producer has one entry on its way.
pub const LANES: usize = 4;
/// Commands in one entry of the broker.
const BATCH_COMMANDS_MAX: u32 = 1_000;
/// Bytes in one entry: well below what a broker takes (5 MB), however the last command turns out.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How long an entry may wait for company. Groups say themselves when they are complete: this is in case they cannot.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// The writing end of the log in Pulsar. Connects at the first append, and again after a failure.
#[derive(Debug)]
pub struct PulsarLog {
    settings: PulsarSettings,
    partitions: Option<Partitions>,
}

struct Partitions {
    producers: Vec<Producer<TokioExecutor>>,
    /// Set by a send without a receipt: whatever ails a producer, a new one begins well.
    ailing: Arc<AtomicBool>,
}

impl std::fmt::Debug for Partitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partitions").field("count", &self.producers.len()).finish_non_exhaustive()
    }
}

/// A command on its way.
struct Sent {
    flow: Flow,
    partition: usize,
    receipt: SendFuture,
}

impl PulsarLog {
    /// For the cluster of `settings`.
    pub const fn new(settings: PulsarSettings) -> Self {
        Self { settings, partitions: None }
    }

    /// The producers, taken out: a failure on the way leaves none behind, and the next append starts afresh.
    async fn partitions(&mut self) -> Result<Partitions, BrokerError> {
        match self.partitions.take().filter(|partitions| !partitions.ailing.load(Ordering::Relaxed)) {
            Some(partitions) => Ok(partitions),
            None => Partitions::open(&self.settings).await,
        }
    }
}

impl PulsarLog {
    /// Sends a group, and asks for its entries to go now: while they are on their way, the next group gathers.
    async fn send_group(&mut self, group: &[AppendRequest]) -> Result<(Vec<Vec<Sent>>, Arc<AtomicBool>), LogError> {
        let unavailable = |error: BrokerError| LogError::Unavailable(error.to_string());
        let mut partitions = self.partitions().await.map_err(unavailable)?;
        let mut sent = Vec::with_capacity(group.len());
        for request in group {
            let mut commands = Vec::with_capacity(request.entries.len());
            for entry in &request.entries {
                commands.push(partitions.send(entry).await?);
            }
            sent.push(commands);
        }
        let ailing = partitions.ailing.clone();
        partitions.flush().await;
        self.partitions = Some(partitions);
        Ok((sent, ailing))
    }
}

impl Partitions {
    /// Returns when the broker has answered for everything that was sent; what it answered, the receipts say.
    async fn flush(&mut self) {
        join_all(self.producers.iter_mut().map(|producer| producer.send_batch())).await;
    }

    async fn open(settings: &PulsarSettings) -> Result<Self, BrokerError> {
        let broker = Broker::connect(settings).await?;
        broker.make_commands().await?;
        let mut producers = Vec::new();
        for partition in 0..broker.command_partitions().await?.max(1) {
            let options = ProducerOptions {
                schema: avro::schema_text(COMMANDS).map(|text| avro_schema(COMMANDS, text)),
                batch_size: Some(BATCH_COMMANDS_MAX),
                batch_byte_size: Some(BATCH_BYTES_MAX),
                batch_timeout: Some(BATCH_WAIT),
                block_queue_if_full: true,
                ..ProducerOptions::default()
            };
            let topic = broker.topic(&partition_name(COMMANDS, partition));
            producers.push(broker.client.producer().with_topic(topic).with_options(options).build().await?);
        }
        Ok(Self { producers, ailing: Arc::default() })
    }

    async fn send(&mut self, entry: &LogEntry) -> Result<Sent, LogError> {
        let message = message(entry).map_err(|error| LogError::Unavailable(error.to_string()))?;
        let partition = partition_of(entry.key, self.producers.len());
        let receipt = self.producers[partition].send_non_blocking(message).await;
        let receipt = receipt.map_err(|error| LogError::Unavailable(error.to_string()))?;
        Ok(Sent { flow: entry.key.flow, partition, receipt })
    }
}

/// Partition 0 is for campaigns; see [`COMMANDS`].
fn partition_of(key: PartitionKey, partitions: usize) -> usize {
    match (key.flow, partitions) {
        (Flow::Campaigns, _) | (_, 0 | 1) => 0,
        (Flow::Tracking, _) => 1 + (key.hash % (partitions as u64 - 1)) as usize,
    }
}

fn message(entry: &LogEntry) -> Result<Message, AvroError> {
    let record = entry.encoding.decode(entry.kind, &entry.payload).ok();
    // What Avro cannot say travels as it was sent; the line makes the reject of it.
    let said = record.map_or(Ok(None), |record| avro::command(&record, entry.assigned_id))?;
    let payload = said.map_or_else(|| avro::raw_command(&entry.payload), Ok)?;
    Ok(Message { payload, partition_key: Some(format!("{:016x}", entry.key.hash)), ..Message::default() })
}

impl LogBackend for PulsarLog {
    async fn append(&mut self, group: &[AppendRequest]) -> Vec<Appended> {
        match self.send_group(group).await {
            Ok((sent, ailing)) => join_all(sent.into_iter().map(|commands| receipts(commands, &ailing))).await,
            Err(error) => vec![Err(error); group.len()],
        }
    }
}

/// All receipts of one request. Where one is missing its sender tries again, and ids make what did arrive harmless.
async fn receipts(commands: Vec<Sent>, ailing: &AtomicBool) -> Appended {
    let mut receipts = Vec::with_capacity(commands.len());
    for Sent { flow, partition, receipt } in commands {
        let answer = receipt.await.map_err(|error| LogError::Unavailable(error.to_string()));
        let position = answer.and_then(|answer| position(&answer)).inspect_err(|_| {
            ailing.store(true, Ordering::Relaxed);
            counter!("alpes_log_append_failures_total").increment(1);
        })?;
        receipts.push(Receipt { flow, source: partition_name(COMMANDS, partition as u32), position });
    }
    Ok(receipts)
}

/// Where the command lies. A broker that took it for a duplicate of its own says -1:-1, and has not stored it.
fn position(answer: &CommandSendReceipt) -> Result<Position, LogError> {
    let unstored = || LogError::Unavailable("the broker has not stored the command".into());
    let id = answer.message_id.as_ref().ok_or_else(unstored)?;
    let (ledger, entry) = (i64::try_from(id.ledger_id), i64::try_from(id.entry_id));
    match (ledger, entry) {
        (Ok(ledger), Ok(entry)) => Ok(Position { ledger, entry, index: id.batch_index.unwrap_or(-1) }),
        _ => Err(unstored()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn campaigns_have_a_partition_of_their_own() {
        let tracking = |hash| PartitionKey { flow: Flow::Tracking, hash };
        let campaign = PartitionKey { flow: Flow::Campaigns, hash: 7 };
        assert_eq!(partition_of(campaign, 5), 0);
        assert_eq!([0, 1, 2, 3, 4].map(|hash| partition_of(tracking(hash), 5)), [1, 2, 3, 4, 1]);
        assert_eq!([partition_of(campaign, 1), partition_of(tracking(9), 1)], [0, 0]);
    }
}

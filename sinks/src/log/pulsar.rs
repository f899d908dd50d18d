//! The log in Pulsar: commands as Avro on partitions of their own topic, accepted when the broker's receipt is there.

use futures::future::join_all;
use metrics::counter;
use pulsar::producer::{Message, SendFuture};
use pulsar::{Producer, ProducerOptions, TokioExecutor};
use schemas::avro::{self, AvroError};
use std::time::{Duration, Instant};

use super::{AppendRequest, Appended, Flow, LogBackend, LogEntry, LogError, PartitionKey, Receipt};
use crate::pulsar::{Broker, BrokerError, COMMANDS, PulsarSettings, avro_schema, partition_name, stored_at};

/// Groups on their way to the broker at once: a receipt takes ten times as long as a commit in PostgreSQL, and a batching
/// producer has one entry on its way.
pub const LANES: usize = 4;
/// Commands in one entry of the broker.
const BATCH_COMMANDS_MAX: u32 = 1_000;
/// Bytes in one entry: well below what a broker takes (5 MB), however the last command turns out.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How often partitions that were added are looked for: as often as the lines do.
const NEW_PARTITIONS: Duration = Duration::from_secs(30);
/// How long an entry may wait for company. Groups say themselves when they are complete: this is in case they cannot.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// The writing end of the log in Pulsar. Connects at the first append, and again after a failure.
#[derive(Debug)]
pub struct PulsarLog {
    settings: PulsarSettings,
    partitions: Option<Partitions>,
}

struct Partitions {
    broker: Broker,
    producers: Vec<Producer<TokioExecutor>>,
    counted: Instant,
}

impl std::fmt::Debug for Partitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Partitions({})", self.producers.len())
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

    async fn try_append(&mut self, group: &[AppendRequest]) -> Result<Vec<Appended>, BrokerError> {
        // Taken out: a failure on the way leaves no producer behind, and the next append starts afresh.
        let mut partitions = match self.partitions.take() {
            Some(mut partitions) => {
                partitions.grow().await?;
                partitions
            }
            None => Partitions::open(&self.settings).await?,
        };
        let mut sent = Vec::with_capacity(group.len());
        for request in group {
            let mut commands = Vec::with_capacity(request.entries.len());
            for entry in &request.entries {
                commands.push(partitions.send(entry).await?);
            }
            sent.push(commands);
        }
        partitions.flush().await;
        let outcomes = join_all(sent.into_iter().map(receipts)).await;
        // Whatever ails a producer without a receipt, a new one begins well.
        self.partitions = outcomes.iter().all(Result::is_ok).then_some(partitions);
        Ok(outcomes)
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
        let mut partitions = Self { broker, producers: Vec::new(), counted: Instant::now() };
        partitions.open_up_to(partitions.broker.command_partitions().await?).await?;
        Ok(partitions)
    }

    /// Takes in partitions that were added. Keys are dealt out anew by that: a count does not depend on which line reads
    /// an event, so nobody needs to wait for anybody.
    async fn grow(&mut self) -> Result<(), BrokerError> {
        if self.counted.elapsed() < NEW_PARTITIONS {
            return Ok(());
        }
        self.counted = Instant::now();
        self.open_up_to(self.broker.command_partitions().await?).await
    }

    async fn open_up_to(&mut self, partitions: u32) -> Result<(), BrokerError> {
        for partition in self.producers.len() as u32..partitions {
            let options = ProducerOptions {
                schema: avro::schema_text(COMMANDS).map(|text| avro_schema(COMMANDS, text)),
                batch_size: Some(BATCH_COMMANDS_MAX),
                batch_byte_size: Some(BATCH_BYTES_MAX),
                batch_timeout: Some(BATCH_WAIT),
                block_queue_if_full: true,
                ..ProducerOptions::default()
            };
            let topic = self.broker.topic(&partition_name(COMMANDS, partition));
            let producer = self.broker.client.producer().with_topic(topic).with_options(options).build().await?;
            self.producers.push(producer);
        }
        Ok(())
    }

    async fn send(&mut self, entry: &LogEntry) -> Result<Sent, BrokerError> {
        let partition = partition_of(entry.key, self.producers.len());
        let receipt = self.producers[partition].send_non_blocking(message(entry)?).await?;
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
        let appended = self.try_append(group).await;
        appended.unwrap_or_else(|error| vec![Err(LogError::Unavailable(error.to_string())); group.len()])
    }
}

/// All receipts of one request. Where one is missing its sender tries again, and ids make what did arrive harmless.
async fn receipts(commands: Vec<Sent>) -> Appended {
    let mut receipts = Vec::with_capacity(commands.len());
    for Sent { flow, partition, receipt } in commands {
        let answer = receipt.await.map_err(BrokerError::from);
        let position = answer.and_then(|answer| stored_at(&answer)).map_err(|error| {
            counter!("alpes_log_append_failures_total").increment(1);
            LogError::Unavailable(error.to_string())
        })?;
        receipts.push(Receipt { flow, source: partition_name(COMMANDS, partition as u32).into(), position });
    }
    Ok(receipts)
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

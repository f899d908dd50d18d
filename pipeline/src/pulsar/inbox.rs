//! A subscription to one partition of a topic, which outlives the times at which the partition is ours.

use futures::StreamExt;
use pulsar::consumer::InitialPosition;
use pulsar::{ConsumerOptions, SubType};
use schemas::Position;
use sinks::line::Ownership;
use sinks::pulsar::admin::Extent;
use sinks::pulsar::{Broker, BrokerError, SUBSCRIPTION};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::schema::Schemas;
use super::{Consuming, PulsarSource, Received, is_undecodable, tell_undecodable};
use crate::SourceError;
use crate::source::GATHER;

/// Messages that the broker may send ahead of what is read: two full batches of other clients.
const AHEAD_MESSAGES: u32 = 2_000;
/// How long nothing may come to a standby until it is asked whether anybody is sent what waits.
const STANDBY_SILENCE: Duration = Duration::from_secs(30);

/// Which partition of which topic.
#[derive(Debug, Clone)]
pub struct TopicPartition {
    /// The topic without its partition: `alpes-comandos`.
    pub topic: String,
    /// The partition's own name: `alpes-comandos-partition-1`; the topic's where it has none.
    pub partition: String,
    /// When it was made, in milliseconds.
    pub incarnation: i64,
}

impl TopicPartition {
    /// Its name as a source.
    pub fn source_name(&self) -> String {
        format!("{}@{}", self.partition, self.incarnation)
    }
}

/// A subscription, kept for as long as it serves: leaving it makes the broker deal partitions out anew.
pub struct Inbox {
    broker: Broker,
    from: TopicPartition,
    consumer: Arc<Mutex<Consuming>>,
    shutdown: watch::Receiver<bool>,
}

/// The first message that the broker sent: the sign that the partition was given to us. None in place of an entry that
/// the client could not decode, which is as good a sign.
pub struct First(Option<Received>);

impl Inbox {
    /// Subscribes.
    pub async fn subscribe(
        broker: &Broker,
        from: TopicPartition,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, BrokerError> {
        let consumer = Arc::new(Mutex::new(consumer(broker, &from).await?));
        Ok(Self { broker: broker.clone(), from, consumer, shutdown })
    }

    /// Waits for the first message: until then another worker has the partition, or there is nothing to do. None when
    /// it is time to stop.
    pub async fn first(&mut self, ownership: &Ownership) -> Result<Option<First>, SourceError> {
        let mut consumer = self.consumer.lock().await;
        let mut stuck = None;
        loop {
            let received = tokio::select! {
                received = timeout(STANDBY_SILENCE, consumer.next()) => received,
                _ = self.shutdown.wait_for(|stop| *stop) => return Ok(None),
            };
            match received {
                Ok(Some(Ok(first))) => return Ok(Some(First(Some(first)))),
                Ok(Some(Err(error))) if is_undecodable(&error) => {
                    tell_undecodable(&self.from.source_name(), &error);
                    return Ok(Some(First(None)));
                }
                Ok(Some(Err(error))) => return Err(BrokerError::from(error).into()),
                Ok(None) => return Err(ended(&self.from).into()),
                Err(_) => {
                    let extent = self.broker.admin.extent(&self.from.partition, SUBSCRIPTION).await?;
                    let committed = ownership.committed().await?;
                    let waits = extent.reaches_beyond((committed.ledger, committed.entry));
                    remember(&extent, ownership, committed).await?;
                    if waits && stuck == Some(committed) {
                        return Err(BrokerError::Consumer(format!(
                            "{}: nobody is sent what waits",
                            self.from.partition
                        ))
                        .into());
                    }
                    stuck = waits.then_some(committed);
                }
            }
        }
    }

    /// The source behind `position`. A gap up to `gap_accepted` is passed over.
    pub async fn after(
        &self,
        First(first): First,
        position: Position,
        gap_accepted: Option<Position>,
        ownership: Ownership,
    ) -> PulsarSource {
        PulsarSource {
            name: self.from.source_name(),
            committed: watch::Sender::new(position),
            acknowledged: position,
            gather: GATHER,
            undecodable: u64::from(first.is_none()),
            schemas: Schemas::of(&self.from.topic),
            waiting: first,
            broker: self.broker.clone(),
            from: self.from.clone(),
            consumer: self.consumer.clone().lock_owned().await,
            ledger: position.ledger,
            position,
            gap_accepted,
            ownership,
            shutdown: self.shutdown.clone(),
        }
    }
}

/// Remembers what comes next in the topic: should it be dropped before it is read, that is noticed.
pub(crate) async fn remember(extent: &Extent, ownership: &Ownership, committed: Position) -> Result<(), sqlx::Error> {
    match extent.next((committed.ledger, committed.entry)) {
        Some(next) => ownership.saw(next).await,
        None => Ok(()),
    }
}

async fn consumer(broker: &Broker, from: &TopicPartition) -> Result<Consuming, BrokerError> {
    let options = ConsumerOptions::default()
        .durable(true)
        .with_initial_position(InitialPosition::Earliest)
        .with_receiver_queue_size(AHEAD_MESSAGES);
    let consumer = broker
        .client
        .consumer()
        .with_topic(broker.topic(&from.partition))
        .with_subscription(SUBSCRIPTION)
        .with_subscription_type(SubType::Failover)
        .with_consumer_name(sinks::worker())
        .with_batch_size(AHEAD_MESSAGES)
        .with_options(options)
        .build()
        .await?;
    Ok(consumer)
}

pub(super) fn ended(from: &TopicPartition) -> BrokerError {
    BrokerError::Consumer(format!("the consumer of {} ended", from.partition))
}

//! Publishes events: all of a key to one partition, by one producer, one entry after the other.
//!
//! Only a receipt is a proof. An entry is sent when the one before it is confirmed, so that whatever fails, what a
//! partition holds is a beginning of what was to be sent: sent again as a whole, an event is never seen for the first time
//! before one of its key that precedes it. After a failure all producers are given up, for an error says nothing about
//! what the broker has.

use futures::future::{join_all, try_join_all};
use metrics::counter;
use pulsar::producer::Message;
use pulsar::routing_policy::RoutingPolicy;
use pulsar::{Producer, ProducerOptions, TokioExecutor};
use schemas::avro;
use std::collections::{BTreeMap, HashMap};

use super::Event;
use crate::pulsar::{Broker, BrokerError, PulsarSettings, avro_schema, stored_at};

/// Events in one entry of the broker.
const ENTRY_EVENTS_MAX: usize = 1_000;
/// Bytes in one entry: well below what a broker takes (5 MB), however long the last event is.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// The property that names an event: with it, a consumer of any topic tells an event that comes again.
const EVENT_ID: &str = "evento_id";

/// The publishing end. Connects at the first event, and again after a failure.
#[derive(Debug)]
pub struct Publisher {
    settings: PulsarSettings,
    connected: Option<Connected>,
}

struct Connected {
    broker: Broker,
    topics: BTreeMap<String, Vec<Producer<TokioExecutor>>>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("topics", &self.topics.keys()).finish_non_exhaustive()
    }
}

impl Publisher {
    /// For the cluster of `settings`.
    pub const fn new(settings: PulsarSettings) -> Self {
        Self { settings, connected: None }
    }

    /// Publishes all of `events`; returns when the broker has them all. After an error, any of them may be there.
    pub async fn publish(&mut self, events: Vec<Event>) -> Result<(), BrokerError> {
        // Taken out: whatever ends this early leaves no producer behind.
        let mut connected = match self.connected.take() {
            Some(connected) => connected,
            None => Connected { broker: Broker::connect(&self.settings).await?, topics: BTreeMap::new() },
        };
        let mut lanes: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for event in events {
            lanes.entry(event.topic.to_string()).or_default().push(event);
        }
        for topic in lanes.keys() {
            connected.open(topic).await?;
        }
        let sends = connected.topics.iter_mut().filter_map(|(topic, producers)| {
            let events = lanes.remove(topic)?;
            Some(publish_to(topic, producers, events))
        });
        try_join_all(sends).await?;
        self.connected = Some(connected);
        Ok(())
    }
}

impl Connected {
    /// Makes sure that there is a producer for each partition of the topic, and the topic itself.
    async fn open(&mut self, topic: &str) -> Result<(), BrokerError> {
        if self.topics.contains_key(topic) {
            return Ok(());
        }
        let mut producers = Vec::new();
        for partition in self.broker.event_partitions(topic).await? {
            let options = ProducerOptions {
                schema: avro::schema_text(topic).map(|text| avro_schema(topic, text)),
                // An entry goes when it is flushed: neither its bytes nor the time end it.
                batch_size: Some(ENTRY_EVENTS_MAX as u32),
                block_queue_if_full: true,
                ..ProducerOptions::default()
            };
            let name = self.broker.topic(&partition);
            producers.push(self.broker.client.producer().with_topic(name).with_options(options).build().await?);
        }
        self.topics.insert(topic.to_owned(), producers);
        Ok(())
    }
}

async fn publish_to(
    topic: &str,
    producers: &mut [Producer<TokioExecutor>],
    events: Vec<Event>,
) -> Result<(), BrokerError> {
    let count = events.len() as u64;
    let mut partitions: Vec<Vec<Event>> = producers.iter().map(|_| Vec::new()).collect();
    for event in events {
        let partition = RoutingPolicy::compute_partition_index_for_key(&event.key, producers.len());
        partitions[partition].push(event);
    }
    try_join_all(producers.iter_mut().zip(partitions).map(|(producer, events)| publish_in_order(producer, events)))
        .await?;
    counter!("alpes_relay_events_total", "topic" => topic.to_owned()).increment(count);
    Ok(())
}

async fn publish_in_order(producer: &mut Producer<TokioExecutor>, events: Vec<Event>) -> Result<(), BrokerError> {
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() {
        let (mut receipts, mut bytes) = (Vec::new(), 0);
        while receipts.len() < ENTRY_EVENTS_MAX && bytes < ENTRY_BYTES_MAX {
            let Some(event) = events.next() else { break };
            bytes += event.payload.len();
            receipts.push(producer.send_non_blocking(message(event)).await?);
        }
        // Says nothing about success, hence the receipts.
        producer.send_batch().await?;
        for receipt in join_all(receipts).await {
            stored_at(&receipt?)?;
        }
    }
    Ok(())
}

fn message(event: Event) -> Message {
    Message {
        payload: event.payload,
        partition_key: Some(event.key),
        properties: HashMap::from([(EVENT_ID.to_owned(), event.id.to_string())]),
        ..Message::default()
    }
}

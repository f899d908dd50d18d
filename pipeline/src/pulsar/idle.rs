//! Time passes in idle topics, too: what the broker has nothing of must not keep windows open.
//!
//! No tick is published: the users' topics have other readers. The broker is asked instead, now and then; what it has of
//! a topic that is not idle is remembered, in case it is dropped before it is read.

use schemas::Timestamp;
use sinks::pulsar::admin::Extent;
use sinks::pulsar::{Admin, BrokerError, PulsarSettings, SUBSCRIPTION};
use sinks::{SinkError, closer, line};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

/// How far a topic's watermark may lag until the broker is asked whether it is idle: little beside the grace of minutes.
const IDLE: Duration = Duration::from_secs(3);

/// The topics that lines read, as their broker's admin interface sees them.
#[derive(Debug)]
pub struct Topics {
    admin: Admin,
    asked: Option<Instant>,
}

impl Topics {
    /// Of the cluster of `settings`.
    pub fn new(settings: &PulsarSettings) -> Result<Self, SinkError> {
        Ok(Self { admin: Admin::new(settings)?, asked: None })
    }

    /// Moves the watermark of lines on that have read all that there is.
    pub async fn tick_idle(&mut self, connection: &mut PgConnection) -> Result<(), SinkError> {
        if self.asked.is_some_and(|asked| asked.elapsed() < IDLE) {
            return Ok(());
        }
        self.asked = Some(Instant::now());
        let now = Timestamp::now();
        for idle in closer::idle_topics(connection, now, IDLE).await? {
            let Some((topic, incarnation)) = idle.source.split_once('@') else { continue };
            match self.extent_of(topic, incarnation).await {
                Ok(Some(extent)) => {
                    let committed = (idle.ledger, idle.entry);
                    if let Some(next) = extent.next(committed) {
                        line::saw(connection, idle.line, next).await?;
                    }
                    if !extent.reaches_beyond(committed) {
                        closer::pass_time(connection, &idle, now).await?;
                    }
                }
                // A topic that was made again has all its messages unread by the line that comes for it.
                Ok(None) => {}
                // Windows stay open for longer, that is all.
                Err(error) => tracing::debug!(%error, topic, "the broker does not say whether the topic is idle"),
            }
        }
        Ok(())
    }

    /// What the topic holds, if it is still the one that the line reads.
    async fn extent_of(&self, topic: &str, incarnation: &str) -> Result<Option<Extent>, BrokerError> {
        let extent = self.admin.extent(topic, SUBSCRIPTION).await?;
        Ok((self.admin.incarnation(topic).await?.to_string() == incarnation).then_some(extent))
    }
}

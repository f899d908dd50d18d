//! Keeps the lines running: a line that stops, for whatever reason, is taken again and goes on from its position.

use sinks::pulsar::{Broker, COMMANDS, PulsarSettings, TRACKING_TOPICS, partition_name};
use sinks::{Flow, SinkError, closer, line, session};
use sqlx::postgres::PgConnectOptions;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::pulsar::{TopicPartition, is_campaigns_partition};
use crate::run::{LineContext, log_line, topic_line};
use crate::{LineError, SourceError};

/// The first pause before a line is taken again; doubled with each failure in a row.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: recovery after an outage takes no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a standby looks whether the holder of a line is gone.
const STANDBY: Duration = Duration::from_secs(1);
/// How often topics are looked at for new partitions.
const NEW_PARTITIONS: Duration = Duration::from_secs(30);

/// What a line reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Partition {
    /// Of the log in PostgreSQL.
    Log(i32),
    /// Of a topic: the topic's name, and the partition's own.
    Topic(String, String),
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(partition) => write!(f, "log-{partition}"),
            Self::Topic(_, partition) => f.write_str(partition),
        }
    }
}

/// Runs every line over the log in PostgreSQL and, with a broker, over its topics, until shutdown; returns when all of
/// them have committed what they had begun. The log is read even where commands come by Pulsar: replays and strays lie
/// in it, and whatever was accepted before the broker was there.
pub async fn run_lines(context: LineContext, pulsar: Option<PulsarSettings>) -> Result<(), LineError> {
    let mut lines = JoinSet::new();
    for (flow, partition) in context.wanted(log_partitions(&context.options).await?) {
        lines.spawn(keep_running(context.clone(), None, flow, partition));
    }
    match pulsar {
        Some(settings) => drop(lines.spawn(run_topics(context, settings))),
        None => retire(&context, &[]).await?,
    }
    join_all(lines).await;
    Ok(())
}

impl LineContext {
    /// The partitions of the flows that run here.
    fn wanted(&self, partitions: Vec<(Flow, Partition)>) -> impl Iterator<Item = (Flow, Partition)> + use<> {
        let only = self.only;
        partitions.into_iter().filter(move |(flow, _)| only.is_none_or(|only| only == *flow))
    }
}

async fn join_all(mut lines: JoinSet<()>) {
    while let Some(ended) = lines.join_next().await {
        if let Err(panic) = ended {
            // Cannot be told from a defect in the line; the process must not go on as if it were reading.
            std::panic::resume_unwind(panic.into_panic());
        }
    }
}

async fn log_partitions(options: &PgConnectOptions) -> Result<Vec<(Flow, Partition)>, LineError> {
    let mut connection = session::connect(options, "supervisor").await?;
    let rows: Vec<(i32, String)> =
        sqlx::query_as("SELECT partition, flow FROM log_heads ORDER BY partition").fetch_all(&mut connection).await?;
    let flow = |name: &str| if name == Flow::Campaigns.name() { Flow::Campaigns } else { Flow::Tracking };
    Ok(rows.into_iter().map(|(partition, name)| (flow(&name), Partition::Log(partition))).collect())
}

/// Starts a line for every partition of every topic, also for those that are added later.
async fn run_topics(context: LineContext, settings: PulsarSettings) {
    let mut shutdown = context.shutdown.clone();
    let (mut lines, mut known) = (JoinSet::new(), BTreeSet::new());
    let mut broker = None;
    while !*shutdown.borrow() {
        match topic_partitions(&mut broker, &settings).await {
            Ok(partitions) => {
                if let Err(error) = retire(&context, &partitions).await {
                    tracing::debug!(%error, "lines over former topics stay as they are for now");
                }
                for (flow, partition) in context.wanted(partitions) {
                    if known.insert(partition.clone()) {
                        lines.spawn(keep_running(context.clone(), broker.clone(), flow, partition));
                    }
                }
                sleep_unless_stopped(NEW_PARTITIONS, &mut shutdown).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the topics cannot be listed; trying again");
                sleep_unless_stopped(PAUSE_MAX, &mut shutdown).await;
            }
        }
    }
    join_all(lines).await;
}

async fn retire(context: &LineContext, partitions: &[(Flow, Partition)]) -> Result<(), LineError> {
    let topics: Vec<String> = partitions.iter().map(|(_, partition)| partition.to_string()).collect();
    let mut connection = session::connect(&context.options, "supervisor").await?;
    Ok(closer::retire_topics(&mut connection, &topics).await?)
}

async fn topic_partitions(
    connected: &mut Option<Broker>,
    settings: &PulsarSettings,
) -> Result<Vec<(Flow, Partition)>, SourceError> {
    let broker = match connected {
        Some(broker) => broker,
        None => {
            let broker = Broker::connect(settings).await?;
            broker.make_topics().await?;
            connected.insert(broker)
        }
    };
    let mut all = Vec::new();
    let commands = broker.command_partitions().await?;
    for partition in 0..commands {
        let campaigns = is_campaigns_partition(COMMANDS, partition);
        let flow = if campaigns { Flow::Campaigns } else { Flow::Tracking };
        all.push((flow, Partition::Topic(COMMANDS.into(), partition_name(COMMANDS, partition))));
    }
    let tracking = TRACKING_TOPICS.into_iter().map(|topic| (Flow::Tracking, topic));
    let campaigns = settings.campaign_topics.iter().map(|topic| (Flow::Campaigns, topic.as_str()));
    for (flow, topic) in tracking.chain(campaigns) {
        let partitions = broker.partitions(topic).await?;
        all.extend(partitions.into_iter().map(|partition| (flow, Partition::Topic(topic.to_owned(), partition))));
    }
    Ok(all)
}

async fn keep_running(context: LineContext, broker: Option<Broker>, flow: Flow, partition: Partition) {
    let mut shutdown = context.shutdown.clone();
    let (mut pause, mut gaps) = (PAUSE_MIN, Gaps::default());
    while !*shutdown.borrow() {
        let started = tokio::time::Instant::now();
        let outcome = run_line(&context, broker.as_ref(), flow, &partition).await;
        if started.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        let wait = match outcome {
            Ok(()) => continue,
            Err(LineError::Sink(SinkError::Taken(_))) => STANDBY,
            Err(error) => {
                let lasting_gap = gaps.is_lasting(&error);
                report(flow, &partition, &error, lasting_gap);
                if lasting_gap {
                    show_gap(&context, &error).await;
                }
                pause
            }
        };
        pause = (pause * 2).min(PAUSE_MAX);
        sleep_unless_stopped(wait, &mut shutdown).await;
    }
}

async fn run_line(
    context: &LineContext,
    broker: Option<&Broker>,
    flow: Flow,
    partition: &Partition,
) -> Result<(), LineError> {
    match (partition, broker) {
        (Partition::Log(partition), _) => log_line(context, flow, *partition).await,
        (Partition::Topic(topic, partition), Some(broker)) => {
            let incarnation = broker.admin.incarnation(partition).await.map_err(SourceError::from)?;
            let partition = TopicPartition { topic: topic.clone(), partition: partition.clone(), incarnation };
            topic_line(context, broker, flow, partition).await
        }
        (Partition::Topic(..), None) => Ok(()),
    }
}

/// Tells messages that are missing from those that are late. While the broker deals partitions out anew it may send what
/// comes next to the new worker first, and only then goes back to what nobody has acknowledged: a subscription later
/// everything is there.
#[derive(Debug, Default)]
struct Gaps {
    /// Behind which position the last one was, if the line was stopped by one.
    last: Option<String>,
}

impl Gaps {
    /// Whether the line stopped at the same gap as the last time.
    fn is_lasting(&mut self, error: &LineError) -> bool {
        let after = match error {
            LineError::Source(SourceError::Gap { after, .. }) => Some(after.clone()),
            _ => None,
        };
        let lasting = after.is_some() && after == self.last;
        self.last = after;
        lasting
    }
}

fn report(flow: Flow, partition: &Partition, error: &LineError, lasting_gap: bool) {
    metrics::counter!("alpes_line_restarts_total", "flow" => flow.name()).increment(1);
    let flow = flow.name();
    match error {
        LineError::Source(SourceError::Gap { .. }) if lasting_gap => {
            metrics::counter!("alpes_line_gaps_total", "source" => partition.to_string()).increment(1);
            tracing::error!(flow, %partition, %error, "line stopped: data is missing");
        }
        // Nobody is to accept a loss that is none, so the error's own advice is left out.
        LineError::Source(SourceError::Gap { after, next, .. }) => {
            tracing::warn!(flow, %partition, after, next, "the broker passed messages over; asking for them again");
        }
        error => tracing::warn!(flow, %partition, %error, "line stopped; it will be taken again"),
    }
}

/// Lets `alpes workers` show the gap. The alarm is in the log already; should this fail, the next time will do.
async fn show_gap(context: &LineContext, error: &LineError) {
    let LineError::Source(SourceError::Gap { source_name, next, .. }) = error else { return };
    if let Err(error) = line::stopped_at_gap(&context.options, source_name, next).await {
        tracing::warn!(%error, source = source_name, "the gap cannot be shown to `alpes workers`");
    }
}

/// Sleeps, or returns at once when it is time to stop.
pub(crate) async fn sleep_unless_stopped(duration: Duration, shutdown: &mut watch::Receiver<bool>) {
    // Either outcome is fine, and a closed channel means that the process is going down.
    let _ = tokio::time::timeout(duration, shutdown.wait_for(|stop| *stop)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(after: &str) -> LineError {
        let (source_name, after, next) = ("alpes-comandos-partition-1@1".into(), after.into(), "7:9:-1".into());
        LineError::Source(SourceError::Gap { source_name, after, next })
    }

    #[test]
    fn only_a_gap_that_comes_again_is_a_loss() {
        let mut gaps = Gaps::default();
        assert!(!gaps.is_lasting(&gap("7:1:0")), "the broker may have been dealing partitions out");
        assert!(!gaps.is_lasting(&gap("7:2:0")), "what was behind the first one has come");
        assert!(gaps.is_lasting(&gap("7:2:0")));
        assert!(gaps.is_lasting(&gap("7:2:0")), "for as long as nobody accepts it");
        assert!(!gaps.is_lasting(&SourceError::Ended.into()));
        assert!(!gaps.is_lasting(&gap("7:2:0")));
    }
}

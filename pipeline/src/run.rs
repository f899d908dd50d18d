//! One line, from taking it to its end.

use metrics::{counter, gauge, histogram};
use schemas::wire::Privacy;
use schemas::{Position, Span};
use sinks::impressions::RawRows;
use sinks::line::LineSpec;
use sinks::pulsar::admin::Extent;
use sinks::pulsar::{Broker, SUBSCRIPTION};
use sinks::{Flow, Line, PostgresSink};
use sqlx::postgres::PgConnectOptions;
use std::time::Instant;
use tokio::sync::watch;

use crate::log::{LogSource, source_name};
use crate::pulsar::{Inbox, TopicPartition, remember};
use crate::{Acknowledge, LineError, Source, SourceError, epoch, flows};

/// What every line of a process shares; see [`supervisor`](crate::supervisor).
#[derive(Debug, Clone)]
pub struct LineContext {
    /// The database.
    pub options: PgConnectOptions,
    /// What is kept of events.
    pub keep: Keep,
    /// Counts appends to the log, as a wake-up.
    pub appended: watch::Receiver<u64>,
    /// True once it is time to stop.
    pub shutdown: watch::Receiver<bool>,
    /// The one flow whose lines run here; none: all.
    pub only: Option<Flow>,
}

/// What is kept of an event besides what it counts for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// Of personal data.
    pub privacy: Privacy,
    /// The rows of impressions and clicks.
    pub raw_rows: RawRows,
}

/// Takes the line of `flow` over one partition of the log, and runs it until shutdown or the first error.
pub async fn log_line(context: &LineContext, flow: Flow, partition: i32) -> Result<(), LineError> {
    let name = source_name(partition);
    let spec = LineSpec { flow, source: &name, live: flow == Flow::Tracking, exclusive: true };
    let line = Line::take(&context.options, spec).await?;
    let (appended, shutdown) = (context.appended.clone(), context.shutdown.clone());
    let source = LogSource::open(&context.options, partition, line.position(), appended, shutdown).await?;
    tracing::info!(flow = flow.name(), source = %name, position = %line.position(), "line taken");
    run(flow, source, line, context.keep, |_| ()).await
}

/// Waits until the broker gives us a partition of a topic; takes its line, and runs it until shutdown, the first error,
/// or until the broker has given it to somebody else who then fenced us.
pub async fn topic_line(
    context: &LineContext,
    broker: &Broker,
    flow: Flow,
    partition: TopicPartition,
) -> Result<(), LineError> {
    let name = partition.source_name();
    let spec = LineSpec { flow, source: &name, live: flow == Flow::Tracking, exclusive: false };
    // Asked first: what it had acknowledged then is committed now, whoever else is at work.
    let extent = broker.admin.extent(&partition.partition, SUBSCRIPTION).await.map_err(SourceError::from)?;
    let mut ownership = Line::register(&context.options, spec).await?;
    let committed = ownership.committed().await?;
    remember(&extent, &ownership, committed).await?;
    rewind_after_restore(broker, &partition, &extent, committed).await?;
    let shutdown = context.shutdown.clone();
    let mut inbox = Inbox::subscribe(broker, partition, shutdown).await.map_err(SourceError::from)?;
    while let Some(first) = inbox.first(&ownership).await? {
        Line::evict(&context.options, spec).await?;
        let line = Line::take(&context.options, spec).await?;
        tracing::info!(flow = flow.name(), source = %name, position = %line.position(), "line taken");
        ownership = line.ownership(&context.options);
        let source = inbox.after(first, line.position(), line.gap_accepted(), ownership.clone()).await;
        match run(flow, source, line, context.keep, |_| ()).await {
            // Noticed before a message came that would have been refused: the subscription is as good as new.
            Err(LineError::Source(SourceError::GivenAway(source))) => tracing::info!(source, "line given away"),
            outcome => return outcome,
        }
    }
    Ok(())
}

/// A database that was restored from a backup is behind what it once told the broker to forget: the broker is asked to
/// send that again, as far as it keeps it. In a healthy system `committed` is never behind: acknowledgements follow it.
async fn rewind_after_restore(
    broker: &Broker,
    partition: &TopicPartition,
    extent: &Extent,
    committed: Position,
) -> Result<(), SourceError> {
    if !extent.acknowledged_beyond((committed.ledger, committed.entry)) {
        return Ok(());
    }
    let from = if committed == Position::START { extent.beginning() } else { committed };
    tracing::warn!(
        source = %partition.source_name(), %committed,
        "the broker was told to forget more than the database holds (a restored backup?): asking for it again"
    );
    Ok(broker.admin.reset_cursor(&partition.partition, SUBSCRIPTION, from).await?)
}

/// Runs the line of `flow` from `source`; `on_commit` hears of every span after its commit.
pub async fn run<S: Source>(
    flow: Flow,
    source: S,
    line: Line,
    keep: Keep,
    mut on_commit: impl FnMut(&Span) + Send,
) -> Result<(), LineError> {
    let mut acks = source.acks();
    let name = source.name().to_owned();
    let mut last = Instant::now();
    let on_commit = move |span: &Span| {
        acks.acknowledge(span);
        let labels = [("flow", flow.name().to_owned()), ("source", name.clone())];
        counter!("alpes_line_epochs_total", &labels).increment(1);
        counter!("alpes_line_messages_total", &labels).increment(span.messages);
        gauge!("alpes_line_last_commit_timestamp_seconds", &labels).set(schemas::Timestamp::now().unix_seconds());
        histogram!("alpes_line_batch_messages", &labels).record(span.messages as f64);
        histogram!("alpes_line_epoch_seconds", &labels).record(last.elapsed());
        last = Instant::now();
        on_commit(span);
    };
    let Keep { privacy, raw_rows } = keep;
    let sink = PostgresSink::new(line, raw_rows);
    match flow {
        Flow::Tracking => epoch::drain(flows::tracking(source, sink, privacy), on_commit).await,
        Flow::Campaigns => epoch::drain(flows::campaigns(source, sink, privacy), on_commit).await,
    }
}

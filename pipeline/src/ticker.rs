//! The clock of the log: ticks for idle partitions, then closing what they allow to close; what was counted becomes known to
//! the indexes on positions; and retention once an hour.

use bytes::Bytes;
use chrono::Days;
use metrics::gauge;
use schemas::message::Encoding;
use schemas::{Kind, Timestamp};
use sinks::log::drop_read_segments;
use sinks::pulsar::PulsarSettings;
use sinks::{Flow, LogEntry, LogWriter, PartitionKey, SinkError, closer, session};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use std::time::{Duration, Instant};
use tokio::sync::watch;

use crate::pulsar::idle::Topics;
use crate::supervisor::sleep_unless_stopped;

/// How often windows are closed, and how far an idle partition's watermark may lag before it gets a tick.
const TICK: Duration = Duration::from_secs(1);
/// How long the closer rests after a step when there is more to close, in times of what the step took. A step waits for
/// every epoch under way, and all others wait for it: lines that catch up with hours of event time would stand half of
/// the time.
const REST: u32 = 3;
/// The longest rest: a step may have waited for a database that was away.
const REST_MAX: Duration = Duration::from_secs(5);
/// How often new raw rows become known to the indexes on positions. What lines count meanwhile is some 250 MB at most, which
/// are read in a fraction of a second without them.
const SUMMARIZE: Duration = Duration::from_secs(5);
/// How many days a new closer looks back, in which nobody may have done that. Older rows are found all the same, but slowly.
const SUMMARIZE_DAYS: Days = Days::new(7);
/// How often old days of the log are looked at.
const RETENTION: Duration = Duration::from_secs(3_600);

/// How windows are closed and the log is kept.
#[derive(Debug, Clone, Copy)]
pub struct TickerSettings {
    /// How long after the watermark a window closes: stragglers until then are not late.
    pub grace: Duration,
    /// Days that the log keeps what has been read.
    pub retention_days: u64,
}

/// Ticks and closes until shutdown. Of several processes one does; the others wait for it to go.
pub async fn run(
    options: PgConnectOptions,
    log: LogWriter,
    pulsar: Option<PulsarSettings>,
    settings: TickerSettings,
    mut shutdown: watch::Receiver<bool>,
) {
    while !*shutdown.borrow() {
        if let Err(error) = lead(&options, &log, pulsar.as_ref(), settings, &mut shutdown).await {
            tracing::warn!(%error, "the closer stopped; it will start again");
        }
        sleep_unless_stopped(TICK, &mut shutdown).await;
    }
}

async fn lead(
    options: &PgConnectOptions,
    log: &LogWriter,
    pulsar: Option<&PulsarSettings>,
    settings: TickerSettings,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<(), SinkError> {
    let mut connection = session::connect(options, "closer").await?;
    if !closer::try_lead(&mut connection).await? {
        return Ok(());
    }
    let mut topics = pulsar.map(Topics::new).transpose()?;
    let (mut ticked, mut summarized, mut retained): (Option<Instant>, Option<Instant>, Option<Instant>) =
        Default::default();
    while !*shutdown.borrow() {
        if is_due(ticked, TICK) {
            ticked = Some(Instant::now());
            tick_idle(&mut connection, log).await?;
            if let Some(topics) = &mut topics {
                topics.tick_idle(&mut connection).await?;
            }
            show_progress(&mut connection).await?;
        }
        let rest = close_step(&mut connection, settings.grace).await?;
        if is_due(summarized, SUMMARIZE) {
            let back = if summarized.is_none() { SUMMARIZE_DAYS } else { Days::new(1) };
            summarize(&mut connection, back).await?;
            summarized = Some(Instant::now());
        }
        if is_due(retained, RETENTION) {
            retain(&mut connection, settings.retention_days).await?;
            retained = Some(Instant::now());
        }
        sleep_unless_stopped(rest, shutdown).await;
    }
    Ok(())
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|at| at.elapsed() >= every)
}

async fn tick_idle(connection: &mut PgConnection, log: &LogWriter) -> Result<(), SinkError> {
    let now = Timestamp::now();
    let idle = closer::idle_partitions(connection, now, TICK).await?;
    if idle.is_empty() {
        return Ok(());
    }
    let tick = |partition: i32| LogEntry {
        kind: Some(Kind::Tick),
        key: PartitionKey { flow: Flow::Tracking, hash: partition as u64 },
        published_at: now,
        assigned_id: None,
        replay_of: None,
        payload: Bytes::new(),
        encoding: Encoding::Json,
    };
    // A full log needs no ticks: time passes in it by itself.
    if let Err(error) = log.append_all(idle.into_iter().map(tick).collect(), None).await {
        tracing::debug!(%error, "no tick");
    }
    Ok(())
}

/// How far each line over the log has come, for `/metrics`; only the closer's process shows it.
async fn show_progress(connection: &mut PgConnection) -> Result<(), SinkError> {
    for line in closer::progress(connection).await? {
        let labels = [("flow", line.flow), ("source", line.source)];
        if let Some(unread) = line.unread {
            gauge!("alpes_line_unread_messages", &labels).set(unread as f64);
        }
        if let Some(watermark) = line.watermark {
            gauge!("alpes_line_watermark_timestamp_seconds", &labels).set(watermark.unix_seconds());
        }
    }
    Ok(())
}

/// One step; returns how long to rest before the next one.
async fn close_step(connection: &mut PgConnection, grace: Duration) -> Result<Duration, SinkError> {
    let started = Instant::now();
    let (closed, more) = closer::close(connection, Timestamp::now(), grace).await?;
    if let Some(closed) = closed {
        gauge!("alpes_closed_through_timestamp_seconds").set(closed.unix_seconds());
    }
    Ok(if more { (started.elapsed() * REST).min(REST_MAX) } else { TICK })
}

async fn summarize(connection: &mut PgConnection, back: Days) -> Result<(), SinkError> {
    let today = Timestamp::now().date();
    Ok(sinks::days::summarize(connection, today.checked_sub_days(back).unwrap_or(today)).await?)
}

async fn retain(connection: &mut PgConnection, days: u64) -> Result<(), SinkError> {
    let today = Timestamp::now().date();
    sinks::days::ensure_day(connection, today).await?;
    let Some(keep_from) = today.checked_sub_days(Days::new(days)) else { return Ok(()) };
    for day in drop_read_segments(connection, keep_from).await? {
        tracing::info!(%day, "dropped a day of the log that every line has read");
    }
    Ok(())
}

//! Closing windows: moves `closed_through` on and folds what it passes into the roll-ups, under the exclusive facts lock.

use chrono::{DateTime, Utc};
use schemas::Timestamp;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

use crate::ledger::marks;
use crate::{SinkError, locks, rollups};

/// Event time closed in one transaction at most: epochs wait meanwhile, so it must be short.
pub const CLOSE_STEP: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);

type Instant = DateTime<Utc>;

/// Becomes the one closer of this database, until the connection ends.
pub async fn try_lead(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(locks::CLOSER).fetch_one(connection).await
}

/// Closes windows up to the watermark of the live lines minus `grace`, one step at a time. Returns how far it came, and
/// whether there is more to close.
///
/// The watermark is the least of all partitions of the log and of all topics: one that nobody has read yet holds it
/// back. It is never later than `now`, however wrong the clock of a producer that publishes to a topic.
pub async fn close(
    connection: &mut PgConnection,
    now: Timestamp,
    grace: Duration,
) -> Result<(Option<Timestamp>, bool), SinkError> {
    let Some(watermark) = watermark(connection).await? else { return Ok((None, false)) };
    let watermark = watermark.min(now);
    let target = watermark.minus(grace).floor(MINUTE);
    // Only the closer moves it, and there is one: it can be read before the lock, which most ticks then spare the lines.
    let closed = closed_through(connection).await?;
    if closed.is_some_and(|closed| target <= closed) {
        return Ok((closed, false));
    }
    let mut transaction = connection.begin().await?;
    locks::exclusive(&mut transaction, locks::FACTS).await?;
    let from = first_open(&mut transaction, closed).await?.unwrap_or(target);
    // Where no window lies there is nothing to fold, however long the stretch.
    let to = from.plus(CLOSE_STEP).floor(MINUTE).min(target);
    if from < to {
        rollups::fold(&mut transaction, from.into(), to.into()).await?;
        marks::leave_for_closed(&mut transaction, from.into(), to.into()).await?;
    }
    let to = to.max(closed.unwrap_or(to));
    sqlx::query("UPDATE facts SET closed_through = $1").bind(Instant::from(to)).execute(&mut *transaction).await?;
    fail::fail_point!("closer::before_commit", |_| std::process::abort());
    transaction.commit().await?;
    Ok((Some(to), to < target))
}

async fn closed_through(connection: &mut PgConnection) -> Result<Option<Timestamp>, sqlx::Error> {
    let closed: Option<Instant> = sqlx::query_scalar("SELECT closed_through FROM facts").fetch_one(connection).await?;
    Ok(closed.map(Timestamp::from))
}

async fn watermark(connection: &mut PgConnection) -> Result<Option<Timestamp>, sqlx::Error> {
    let watermark: Option<Instant> = sqlx::query_scalar(
        "SELECT CASE WHEN count(*) = count(watermark) THEN min(watermark) END
         FROM (SELECT l.watermark
               FROM log_heads h LEFT JOIN lines l ON l.flow = h.flow AND l.source = 'log-' || h.partition AND l.live
               WHERE h.flow = 'tracking'
               UNION ALL
               SELECT watermark FROM lines WHERE flow = 'tracking' AND live AND source LIKE '%@%') AS partitions",
    )
    .fetch_one(connection)
    .await?;
    Ok(watermark.map(Into::into))
}

/// The start of the first window that is not closed yet.
async fn first_open(
    connection: &mut PgConnection,
    closed: Option<Timestamp>,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let first: Option<Instant> = sqlx::query_scalar("SELECT min(start) FROM windows WHERE start >= $1")
        .bind(Instant::from(closed.unwrap_or(Timestamp::EPOCH)))
        .fetch_one(connection)
        .await?;
    Ok(first.map(Into::into))
}

/// Ticks for the tracking partitions whose watermark lags behind `now` by more than `idle_after` and that have nothing
/// waiting to be read: time passes in them, too.
pub async fn idle_partitions(
    connection: &mut PgConnection,
    now: Timestamp,
    idle_after: Duration,
) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT h.partition FROM log_heads h
         JOIN lines l ON l.flow = h.flow AND l.source = 'log-' || h.partition
         WHERE h.flow = 'tracking' AND l.entry >= h.next - 1 AND (l.watermark IS NULL OR l.watermark < $1)
         ORDER BY 1",
    )
    .bind(Instant::from(now.minus(idle_after)))
    .fetch_all(connection)
    .await
}

/// A line over a topic whose watermark lags.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct IdleTopic {
    /// The line.
    pub line: i32,
    /// The partition's name, with its incarnation.
    pub source: String,
    /// The last entry that it has committed.
    pub ledger: i64,
    /// The same.
    pub entry: i64,
}

/// Live lines over topics whose watermark lags behind `now` by more than `idle_after`.
pub async fn idle_topics(
    connection: &mut PgConnection,
    now: Timestamp,
    idle_after: Duration,
) -> Result<Vec<IdleTopic>, sqlx::Error> {
    sqlx::query_as(
        "SELECT line, source, ledger, entry FROM lines
         WHERE flow = 'tracking' AND live AND source LIKE '%@%' AND (watermark IS NULL OR watermark < $1)",
    )
    .bind(Instant::from(now.minus(idle_after)))
    .fetch_all(connection)
    .await
}

/// Time has passed in a topic's partition: at `now` it held nothing behind what the line has committed.
pub async fn pass_time(connection: &mut PgConnection, idle: &IdleTopic, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE lines SET watermark = greatest(watermark, $2) WHERE line = $1 AND (ledger, entry) >= ($3, $4)")
        .bind(idle.line)
        .bind(Instant::from(now))
        .bind(idle.ledger)
        .bind(idle.entry)
        .execute(connection)
        .await?;
    Ok(())
}

/// Only lines over `topics` (their partitions' names) count for the watermark from now on: whoever stops reading a topic
/// must not keep windows open. Of a topic that was made again, the newest counts.
pub async fn retire_topics(connection: &mut PgConnection, topics: &[String]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH newest AS (
             SELECT DISTINCT ON (split_part(source, '@', 1)) line FROM lines
             WHERE flow = 'tracking' AND split_part(source, '@', 1) = ANY ($1)
             ORDER BY split_part(source, '@', 1), split_part(source, '@', 2) DESC
         ), wanted AS (SELECT l.line, EXISTS (SELECT FROM newest n WHERE n.line = l.line) AS live FROM lines l)
         UPDATE lines l SET live = w.live FROM wanted w
         WHERE w.line = l.line AND l.flow = 'tracking' AND l.source LIKE '%@%' AND l.live <> w.live",
    )
    .bind(topics)
    .execute(connection)
    .await?;
    Ok(())
}

/// How far a line has come.
#[derive(Debug, Clone)]
pub struct LineProgress {
    /// The flow.
    pub flow: String,
    /// The partition.
    pub source: String,
    /// Messages in the log in PostgreSQL that it has not committed yet; a topic's broker knows its own.
    pub unread: Option<i64>,
    /// Event time that it has reached.
    pub watermark: Option<Timestamp>,
}

/// All lines over the log and over topics.
pub async fn progress(connection: &mut PgConnection) -> Result<Vec<LineProgress>, sqlx::Error> {
    let rows: Vec<(String, String, Option<i64>, Option<Instant>)> = sqlx::query_as(
        "SELECT l.flow, l.source, h.next - 1 - l.entry, l.watermark
         FROM lines l LEFT JOIN log_heads h ON l.flow = h.flow AND l.source = 'log-' || h.partition
         WHERE h.partition IS NOT NULL OR l.source LIKE '%@%'",
    )
    .fetch_all(connection)
    .await?;
    let progress = |(flow, source, unread, watermark): (String, String, Option<i64>, Option<Instant>)| LineProgress {
        flow,
        source,
        unread,
        watermark: watermark.map(Into::into),
    };
    Ok(rows.into_iter().map(progress).collect())
}

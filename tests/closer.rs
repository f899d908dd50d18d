//! Closing windows: the watermark of all partitions decides, roll-ups stay the sum of what is closed, late is counted.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use pipeline::ticker::{self, TickerSettings};
use schemas::message::{Encoding, Origin};
use schemas::{Kind, Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line, LogWriter, PostgresLog, closer};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

const GRACE: Duration = Duration::from_secs(600);
const PARTITIONS: usize = 4;

/// The partitions of the log, as far as the test has filled them.
#[derive(Default)]
struct Log([Vec<RawMessage>; PARTITIONS]);

impl Log {
    fn push(&mut self, partition: usize, published_at: &str, kind: Option<Kind>, payload: String) {
        let messages = &mut self.0[partition];
        let origin = Origin {
            position: Position::offset(messages.len() as i64),
            published_at: Timestamp::parse(published_at).unwrap(),
            assigned_id: None,
            replay_of: None,
            payload: Bytes::from(payload),
            encoding: Encoding::Json,
        };
        messages.push(RawMessage { origin, kind });
    }

    fn event(&mut self, partition: usize, published_at: &str, id: &str, time: &str) {
        let json = format!(
            r#"{{"id":"{id}","campaña_id":"cmp","influencer_id":"inf-{partition}","timestamp":"{time}","valor":"1.50","moneda":"USD"}}"#
        );
        self.push(partition, published_at, Some(Kind::RecordConversion), json);
    }

    fn tick_all(&mut self, time: &str) {
        (0..PARTITIONS).for_each(|partition| self.push(partition, time, Some(Kind::Tick), String::new()));
    }

    /// Runs every line to the end of what is there.
    async fn drain(&self, options: &PgConnectOptions) {
        for (partition, messages) in self.0.iter().enumerate() {
            let name = format!("log-{partition}");
            let spec = LineSpec { flow: Flow::Tracking, source: &name, live: true, exclusive: false };
            let line = Line::take(options, spec).await.unwrap();
            let source = MemorySource::new(&name, messages, line.position(), &[]);
            run(Flow::Tracking, source, line, Keep::default(), |_| ()).await.unwrap();
        }
    }
}

async fn close(options: &PgConnectOptions) -> Option<String> {
    let mut connection = options.connect().await.unwrap();
    loop {
        let (closed, more) = closer::close(&mut connection, Timestamp::now(), GRACE).await.unwrap();
        if !more {
            return closed.map(|closed| closed.to_string());
        }
    }
}

async fn number(options: &PgConnectOptions, query: &'static str) -> i64 {
    let mut connection = options.connect().await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

const ROLLED_UP: &str =
    "SELECT coalesce(sum(conversions), 0)::bigint FROM rollups WHERE grain = 'h' AND influencer = -1";
const DAY_TOTAL: &str = "SELECT (sum(amount) * 100)::bigint FROM rollup_amounts WHERE grain = 'd' AND influencer = -1";

#[tokio::test(flavor = "multi_thread")]
async fn windows_close_behind_the_slowest_partition_and_late_events_still_count() {
    let options = support::database().await;
    let mut log = Log::default();
    log.event(0, "2026-01-01T10:30:00Z", "a", "2026-01-01T10:00:10Z");
    log.event(1, "2026-01-01T10:30:00Z", "b", "2026-01-01T10:25:00Z");
    log.drain(&options).await;
    assert_eq!(close(&options).await, None, "two partitions have not been heard of");

    log.tick_all("2026-01-01T10:20:30Z");
    log.drain(&options).await;
    // Partitions 2 and 3 have reached 10:20:30, ten minutes of grace, whole minutes.
    assert_eq!(close(&options).await.as_deref(), Some("2026-01-01T10:10:00Z"));
    assert_eq!(number(&options, ROLLED_UP).await, 1);

    log.event(2, "2026-01-01T10:31:00Z", "late", "2026-01-01T10:00:50Z");
    log.event(3, "2026-01-01T10:31:00Z", "edge", "2026-01-01T10:10:00Z");
    log.drain(&options).await;
    assert_eq!(
        number(&options, "SELECT count(*) FROM late_events").await,
        1,
        "10:10 is not closed: windows are half-open"
    );
    assert_eq!(number(&options, "SELECT max(revision)::bigint FROM windows").await, 1);
    assert_eq!(number(&options, ROLLED_UP).await, 2);

    log.tick_all("2026-01-01T11:00:00Z");
    log.drain(&options).await;
    assert_eq!(close(&options).await.as_deref(), Some("2026-01-01T10:50:00Z"));
    assert_eq!((number(&options, ROLLED_UP).await, number(&options, DAY_TOTAL).await), (4, 600));

    log.tick_all("2026-01-01T10:00:00Z");
    log.drain(&options).await;
    assert_eq!(close(&options).await.as_deref(), Some("2026-01-01T10:50:00Z"), "it never moves back");
}

/// A clock that is ahead closes nothing for others, nor for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_future_event_does_not_take_the_watermark_along() {
    let options = support::database().await;
    let mut log = Log::default();
    log.tick_all("2026-01-01T10:00:00Z");
    log.event(0, "2026-01-01T10:00:01Z", "ahead", "2026-01-01T10:04:59Z");
    log.drain(&options).await;
    assert_eq!(close(&options).await.as_deref(), Some("2026-01-01T09:50:00Z"));
    let watermark = "SELECT extract(epoch FROM max(watermark) - timestamptz '2026-01-01T10:00:00Z')::bigint FROM lines";
    assert_eq!(number(&options, watermark).await, 1);
}

/// Rows come by the ten thousand between two rounds of PostgreSQL's own; whoever looks for a position would read them all.
#[tokio::test(flavor = "multi_thread")]
async fn the_indexes_on_positions_know_what_was_counted() {
    let options = support::database().await;
    let mut connection = options.connect().await.unwrap();
    let today = Timestamp::now().date();
    sinks::days::ensure_day(&mut connection, today).await.unwrap();
    let rows = "INSERT INTO impressions (campaign, influencer, event_time, day, click, line, ledger, entry, index, published_at, id)
        SELECT 1, 1, now(), $1, false, 1, 0, entry, -1, now(), repeat('x', 200) FROM generate_series(1, 20000) AS entry";
    sqlx::query(rows).bind(today).execute(&mut connection).await.unwrap();

    assert!(pages_read(&mut connection).await > 500, "nobody has looked at them yet");

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let log = LogWriter::start(PostgresLog::new(options.clone()));
    let settings = TickerSettings { grace: GRACE, retention_days: 7 };
    let clock = tokio::spawn(ticker::run(options.clone(), log, None, settings, stopped));
    let begun = Instant::now();
    while pages_read(&mut connection).await > 32 {
        assert!(begun.elapsed() < Duration::from_secs(10), "they stay unknown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send(true).unwrap();
    clock.await.unwrap();
}

/// Pages that PostgreSQL looks into for one position.
async fn pages_read(connection: &mut PgConnection) -> u32 {
    sqlx::raw_sql("SET enable_seqscan = off; SET enable_indexscan = off").execute(&mut *connection).await.unwrap();
    let explain = "EXPLAIN (ANALYZE) SELECT FROM impressions WHERE line = 1 AND ledger = 0 AND entry = 10000";
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(connection).await.unwrap();
    plan.iter().filter_map(|line| line.trim().strip_prefix("Heap Blocks: lossy=")?.parse::<u32>().ok()).sum()
}

//! What the relay reads: every row of a line once and in order, wherever it lies; from where it stopped; not what was
//! there before it began.

#![allow(clippy::unwrap_used)]

mod support;

use chrono::{DateTime, Days, NaiveDate, Utc};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::avro::EventName;
use sinks::relay::{Backlog, Relay, begin, event_id};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use uuid::Uuid;

/// Enough for several batches, which end within an entry.
const ROWS: usize = 25_000;
/// Rows of one line, in the order of their positions.
type Rows = Vec<(i64, i64, i32, bool)>;

/// Positions of a topic: ledgers with gaps, entries of one to many messages, long stretches without rows.
fn topic_rows(random: &mut ChaCha8Rng) -> Rows {
    let mut rows = Rows::new();
    let (mut ledger, mut entry) = (5, 0);
    while rows.len() < ROWS {
        let messages = if random.random_ratio(1, 20) { random.random_range(500..1_500) } else { 1 };
        let conversions = random.random_range(0..10);
        rows.extend((0..messages).map(|index| (ledger, entry, index, random.random_range(0..10) < conversions)));
        match random.random_range(0..200) {
            0 => (ledger, entry) = (ledger + random.random_range(1..4), random.random_range(0..3)),
            1 => entry += random.random_range(1..3_000_000),
            _ => entry += random.random_range(1..3),
        }
    }
    rows
}

/// Positions of the log, whose entries are single messages, some of them rejected.
fn log_rows(random: &mut ChaCha8Rng, from: i64) -> Rows {
    (from..).filter(|_| random.random_ratio(9, 10)).map(|offset| (0, offset, -1, offset % 20 == 0)).take(ROWS).collect()
}

fn name(line: i32, (ledger, entry, index, _): (i64, i64, i32, bool)) -> String {
    format!("{line}/{ledger}:{entry}:{index}")
}

/// The ids of the events of these rows, in order.
fn ids(line: i32, rows: &[(i64, i64, i32, bool)]) -> Vec<Uuid> {
    let event = |conversion| if conversion { EventName::ConversionRegistered } else { EventName::ImpressionRegistered };
    rows.iter().map(|row| event_id(event(row.3), &name(line, *row))).collect()
}

async fn line(connection: &mut PgConnection, source: &str) -> i32 {
    let insert = "INSERT INTO lines (flow, source, live) VALUES ('tracking', $1, true) RETURNING line";
    sqlx::query_scalar(insert).bind(source).fetch_one(connection).await.unwrap()
}

/// Writes rows of a line, days apart by `rows / days`, in the order given; commits the line's position with them.
async fn write(connection: &mut PgConnection, line: i32, rows: &[(i64, i64, i32, bool)], days: &[NaiveDate]) {
    let mut transaction = sqlx::Connection::begin(&mut *connection).await.unwrap();
    let per_day = rows.len().div_ceil(days.len());
    for (day, rows) in days.iter().zip(rows.chunks(per_day)) {
        for (table, more, conversion) in [
            ("impressions", "click) SELECT false", false),
            ("conversions", "kind, amount, currency) SELECT 1, 5, 'COP'", true),
        ] {
            let rows: Vec<_> = rows.iter().filter(|row| row.3 == conversion).collect();
            let (columns, values) = more.split_once(" SELECT ").unwrap();
            let insert = format!(
                "INSERT INTO {table} (campaign, influencer, event_time, day, line, ledger, entry, index, published_at, id,
                 {columns} SELECT 1, 0, now(), $1, $2, r.ledger, r.entry, r.index, now(), r.id, {values}
                 FROM unnest($3::bigint[], $4::bigint[], $5::int[], $6::text[]) AS r(ledger, entry, index, id)"
            );
            sqlx::query(sqlx::AssertSqlSafe(insert))
                .bind(day)
                .bind(line)
                .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| name(line, **row)).collect::<Vec<_>>())
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
    }
    let last = rows.iter().max().unwrap();
    let update = "UPDATE lines SET ledger = $2, entry = $3, index = $4, accepted = accepted + $5 WHERE line = $1";
    let update = sqlx::query(update).bind(line).bind(last.0).bind(last.1).bind(last.2).bind(rows.len() as i64);
    update.execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn lead(options: &PgConnectOptions) -> Relay {
    loop {
        // The one before may still be saying good-bye.
        if let Some(relay) = Relay::lead(options).await.unwrap() {
            return relay;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Reads and stores up to `batches` batches, or until nothing is left; the ids of Alpes' own events, in order.
async fn relay(options: &PgConnectOptions, batches: usize) -> (Vec<Uuid>, Vec<Backlog>) {
    let mut relay = lead(options).await;
    let (mut ids, mut backlog) = (Vec::new(), Vec::new());
    for _ in 0..batches {
        let batch = relay.read().await.unwrap();
        relay.store(&batch).await.unwrap();
        backlog = batch.backlog;
        if batch.events.is_empty() {
            break;
        }
        ids.extend(batch.events.iter().filter(|event| event.topic == "alpes-eventos").map(|event| event.id));
    }
    (ids, backlog)
}

fn of_line(all: &[Uuid], of: &[Uuid]) -> Vec<Uuid> {
    let of: std::collections::HashSet<_> = of.iter().collect();
    all.iter().copied().filter(|id| of.contains(id)).collect()
}

async fn prepared() -> (PgConnectOptions, PgConnection, Vec<NaiveDate>) {
    let options = support::database().await;
    let mut connection = options.connect().await.unwrap();
    let today: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut connection).await.unwrap();
    let today = today.date_naive();
    let days: Vec<_> = (0..3).map(|day| today.checked_add_days(Days::new(day)).unwrap()).collect();
    for day in &days {
        sinks::days::ensure_day(&mut connection, *day).await.unwrap();
    }
    let names = "INSERT INTO campaign_names (tenant, name) VALUES (1, 'cmp-ñ')";
    sqlx::query(names).execute(&mut connection).await.unwrap();
    (options, connection, days)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_read_once_and_in_order_whoever_reads_on() {
    let (options, mut connection, days) = prepared().await;
    begin(&options, false).await.unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (topic, log) = (line(&mut connection, "t@1").await, line(&mut connection, "log-0").await);
    let file = line(&mut connection, "file-1").await;
    let (topic_rows, log_rows) = (topic_rows(&mut random), log_rows(&mut random, 0));
    // Vacuum may fill gaps: rows need not lie in the order of their positions within a day.
    let mut anyhow = topic_rows.clone();
    let day_rows = anyhow.len().div_ceil(days.len());
    anyhow.chunks_mut(day_rows).for_each(|day| day[..2_000].shuffle(&mut random));
    write(&mut connection, topic, &anyhow, &days).await;
    write(&mut connection, log, &log_rows, &days[..1]).await;
    write(&mut connection, file, &log_rows[..10], &days).await;
    let (mut announced, _) = relay(&options, 2).await;
    assert!(announced.len() >= 16_000, "two batches are full");
    // Another process goes on.
    let (rest, backlog) = relay(&options, usize::MAX).await;
    announced.extend(rest);
    let (topic_ids, log_ids) = (ids(topic, &topic_rows), ids(log, &log_rows));
    assert_eq!(announced.len(), topic_ids.len() + log_ids.len());
    assert_eq!(of_line(&announced, &topic_ids), topic_ids);
    assert_eq!(of_line(&announced, &log_ids), log_ids);
    assert!(backlog.iter().all(|line| line.events == 0 && !line.missing && line.oldest.is_none()), "{backlog:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_before_is_history_unless_it_is_wanted() {
    let (options, mut connection, days) = prepared().await;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let log = line(&mut connection, "log-0").await;
    let old = log_rows(&mut random, 0);
    write(&mut connection, log, &old, &days[..1]).await;
    let copy = support::copy;
    drop(connection);
    let other = copy(&options).await;
    for (options, from_first_row) in [(&options, false), (&other, true)] {
        begin(options, from_first_row).await.unwrap();
        // Once and for all.
        begin(options, !from_first_row).await.unwrap();
        let mut connection = options.connect().await.unwrap();
        let new = log_rows(&mut random, 1_000_000);
        write(&mut connection, log, &new, &days[..1]).await;
        let (announced, backlog) = relay(options, usize::MAX).await;
        let expected = if from_first_row { [old.clone(), new].concat() } else { new };
        assert_eq!(announced, ids(log, &expected));
        assert!(backlog.iter().all(|line| line.events == 0 && !line.missing), "{backlog:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_makes_no_event_and_none_is_waited_for() {
    let (options, mut connection, days) = prepared().await;
    let log = line(&mut connection, "log-0").await;
    let rows = log_rows(&mut ChaCha8Rng::seed_from_u64(7), 0);
    write(&mut connection, log, &rows[..10], &days[..1]).await;
    let reverse = "UPDATE lines SET accepted = accepted + 3, reversals = reversals + 3, entry = entry + 3";
    sqlx::query(reverse).execute(&mut connection).await.unwrap();
    begin(&options, false).await.unwrap();
    write(&mut connection, log, &rows[20..50], &days[..1]).await;
    sqlx::query(reverse).execute(&mut connection).await.unwrap();
    let (announced, backlog) = relay(&options, usize::MAX).await;
    assert_eq!(announced, ids(log, &rows[20..50]));
    assert!(backlog.iter().all(|line| line.events == 0 && !line.missing), "{backlog:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_relays_and_rows_that_are_gone_are_noticed() {
    let (options, mut connection, days) = prepared().await;
    begin(&options, false).await.unwrap();
    let log = line(&mut connection, "log-0").await;
    let rows = log_rows(&mut ChaCha8Rng::seed_from_u64(7), 0);
    write(&mut connection, log, &rows[..100], &days[..1]).await;
    sqlx::query("DELETE FROM impressions WHERE entry BETWEEN 50 AND 60").execute(&mut connection).await.unwrap();
    let first = lead(&options).await;
    assert!(Relay::lead(&options).await.unwrap().is_none());
    drop(first);
    let (announced, backlog) = relay(&options, usize::MAX).await;
    assert!(announced.len() < 100);
    assert!(backlog.iter().any(|line| line.missing && line.events > 0), "{backlog:?}");
}

//! The log in PostgreSQL: offsets without holes for any number of writers, read in order, dropped only when read.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use chrono::{Days, NaiveDate};
use pipeline::Source;
use pipeline::log::{LogSource, follow_appends};
use schemas::message::Encoding;
use schemas::{Position, Timestamp};
use sinks::log::drop_read_segments;
use sinks::{ChunkKey, LogEntry, LogWriter, PartitionKey, PostgresLog};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;

const WRITERS: usize = 3;
const COMMANDS_EACH: usize = 400;
const PARTITIONS: i32 = 4;

fn entry(text: &str) -> LogEntry {
    LogEntry {
        kind: None,
        key: PartitionKey::tracking(text, None),
        published_at: Timestamp::now(),
        assigned_id: None,
        replay_of: None,
        payload: Bytes::from(text.to_owned()),
        encoding: Encoding::Json,
    }
}

fn writer(options: &PgConnectOptions) -> LogWriter {
    LogWriter::start(PostgresLog::new(options.clone()))
}

/// Reads a partition until nothing has come for a while; the source itself stops at a hole.
async fn read(options: PgConnectOptions, partition: i32, stop: watch::Receiver<bool>) -> Vec<String> {
    let appended = follow_appends(options.clone());
    let mut source = LogSource::open(&options, partition, Position::START, appended, stop).await.unwrap();
    let mut texts = Vec::new();
    while let Some(batch) = source.next_batch().await.unwrap() {
        texts.extend(batch.items.iter().map(|item| String::from_utf8(item.origin.payload.to_vec()).unwrap()));
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn several_writers_leave_no_hole_and_readers_miss_nothing() {
    let options = support::database().await;
    let (stop, stopped) = watch::channel(false);
    let readers: Vec<_> =
        (0..PARTITIONS).map(|partition| tokio::spawn(read(options.clone(), partition, stopped.clone()))).collect();
    let appends = (0..WRITERS).map(|w| {
        let log = writer(&options);
        async move {
            for i in 0..COMMANDS_EACH {
                log.append(entry(&format!("{w}-{i}"))).await.unwrap();
            }
        }
    });
    futures::future::join_all(appends).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send_replace(true);
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for reader in readers {
        let texts = reader.await.unwrap();
        for w in 0..WRITERS {
            let of_writer = texts.iter().filter_map(|text| text.strip_prefix(&format!("{w}-")));
            let numbers: Vec<usize> = of_writer.map(|number| number.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "one writer's commands came out of order");
        }
        count += texts.len();
        seen.extend(texts);
    }
    assert_eq!((count, seen.len()), (WRITERS * COMMANDS_EACH, WRITERS * COMMANDS_EACH));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_with_a_key_is_appended_once() {
    let options = support::database().await;
    let log = writer(&options);
    let key = |chunk| Some(ChunkKey { key: "k".into(), chunk });
    let entries = || vec![entry("a"), entry("b")];
    assert_eq!(log.append_all(entries(), key(0)).await.unwrap().len(), 2);
    assert_eq!(log.append_all(entries(), key(0)).await.unwrap().len(), 0);
    assert_eq!(log.append_all(entries(), key(1)).await.unwrap().len(), 2);
    let mut connection = options.connect().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM log").fetch_one(&mut connection).await.unwrap();
    assert_eq!(rows, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_log_is_dropped_only_when_every_line_has_read_it() {
    let options = support::database().await;
    let mut connection = options.connect().await.unwrap();
    let today = Timestamp::now().date();
    let old: NaiveDate = today - Days::new(30);
    sinks::days::ensure_day(&mut connection, old).await.unwrap();
    for partition in [0, 1] {
        sqlx::query("INSERT INTO log VALUES ($1, 0, $2, now(), NULL, NULL, NULL, '')")
            .bind(partition)
            .bind(old)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let line = "INSERT INTO lines (flow, source, live, entry) VALUES ('tracking', $1, true, $2)";
    sqlx::query(line).bind("log-0").bind(0i64).execute(&mut connection).await.unwrap();
    let keep_from = today - Days::new(7);
    // Nobody has read partition 1, so the day stays; the empty day after it goes.
    let next = old + Days::new(1);
    assert_eq!(drop_read_segments(&mut connection, keep_from).await.unwrap(), [next]);
    sqlx::query(line).bind("log-1").bind(0i64).execute(&mut connection).await.unwrap();
    assert_eq!(drop_read_segments(&mut connection, keep_from).await.unwrap(), [old]);
    let left = sinks::days::partitions(&mut connection, "log").await.unwrap();
    assert!(left.iter().all(|day| *day >= keep_from) && left.contains(&today), "{left:?}");
}

//! Two lines that meet in the same ids and windows: what a line has not written itself may be there all the same.

#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use schemas::message::{Encoding, Origin};
use schemas::{Kind, Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

const IDS: usize = 50;

/// Conversions with these ids, all in the same few windows.
fn conversions(ids: std::ops::Range<usize>, amount: &str) -> Vec<RawMessage> {
    let message = |(i, id): (usize, usize)| {
        let json = format!(
            r#"{{"id":"{id}","campaña_id":"cmp","influencer_id":"inf","timestamp":"2026-01-01T00:0{}:00Z","valor":"{amount}"}}"#,
            id % 5
        );
        let origin = Origin {
            position: Position::offset(i as i64),
            published_at: Timestamp::parse("2026-01-01T01:00:00Z").unwrap(),
            assigned_id: None,
            replay_of: None,
            payload: Bytes::from(json),
            encoding: Encoding::Json,
        };
        RawMessage { origin, kind: Some(Kind::RecordConversion) }
    };
    ids.enumerate().map(message).collect()
}

/// Runs a line in batches of seven; returns what it has accepted, found to be duplicate, and rejected.
async fn line(options: &PgConnectOptions, name: &str, messages: &[RawMessage]) -> (i64, i64, i64) {
    let spec = LineSpec { flow: Flow::Tracking, source: name, live: false, exclusive: true };
    let line = Line::take(options, spec).await.unwrap();
    let source = MemorySource::new(name, messages, line.position(), &[7]);
    run(Flow::Tracking, source, line, Keep::default(), |_| ()).await.unwrap();
    let mut connection = options.connect().await.unwrap();
    let tally = "SELECT accepted, duplicates, rejected FROM lines WHERE source = $1";
    sqlx::query_as(tally).bind(name).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_counts_only_what_no_other_line_has() {
    let options = support::database().await;
    let (n, half) = (IDS as i64, IDS as i64 / 2);
    assert_eq!(line(&options, "a", &conversions(0..IDS, "1.00")).await, (n, 0, 0));
    assert_eq!(line(&options, "b", &conversions(0..IDS, "1.0")).await, (0, n, 0));
    assert_eq!(line(&options, "c", &conversions(IDS / 2..IDS + IDS / 2, "1")).await, (half, half, 0));
    assert_eq!(line(&options, "d", &conversions(0..IDS, "2")).await, (0, 0, n));
    let outcomes = alpes::verify::verify(&options, |_| ()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.different == 0), "{outcomes:?}");
    let mut connection = options.connect().await.unwrap();
    let sums: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(conversions)::bigint FROM windows), (SELECT sum(amount)::bigint FROM window_amounts)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(sums, (n + half, n + half));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lines_at_once_share_the_same_ids_out_between_them() {
    let options = support::database().await;
    let messages = conversions(0..IDS, "1");
    // Whichever claims first; the other's batch is refused by the index, and its line taken again, as in production.
    let both = ["a", "b"].map(|name| {
        let (options, messages) = (options.clone(), messages.clone());
        tokio::spawn(async move {
            loop {
                let (options, messages) = (options.clone(), messages.clone());
                if tokio::spawn(async move { line(&options, name, &messages).await }).await.is_ok() {
                    return;
                }
            }
        })
    });
    for line in both {
        line.await.unwrap();
    }
    let mut connection = options.connect().await.unwrap();
    let sums: (i64, i64) = sqlx::query_as("SELECT sum(accepted)::bigint, sum(duplicates)::bigint FROM lines")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(sums, (IDS as i64, IDS as i64));
    let outcomes = alpes::verify::verify(&options, |_| ()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.different == 0), "{outcomes:?}");
}

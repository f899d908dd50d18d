//! Who has lost a line cannot write to it any more, and who takes it goes on where it stands.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use pipeline::LineError;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use schemas::message::{Encoding, Origin};
use schemas::{Position, RawMessage, Span, Timestamp};
use sinks::epoch::Tally;
use sinks::impressions::RawRows;
use sinks::line::{EpochNames, FactsAccess, LineSpec};
use sinks::{Epoch, Flow, Line, PostgresSink, SinkError};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// As where a broker assigns partitions: no lock keeps the next worker out.
const SPEC: LineSpec<'_> = LineSpec { flow: Flow::Tracking, source: "log-0", live: true, exclusive: false };
/// Long enough for a statement that does not have to wait.
const MOMENT: Duration = Duration::from_millis(300);
/// Longer than ending a session takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const MESSAGES: i64 = 20;
const BATCH: usize = 5;

fn messages() -> Vec<RawMessage> {
    let message = |offset: i64| {
        let payload = format!(r#"{{"comando":"registrar-impresion","id":"imp-{offset}","campaña_id":"cmp-1"}}"#);
        let published_at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let position = Position::offset(offset);
        let origin = Origin {
            position,
            published_at,
            assigned_id: None,
            replay_of: None,
            payload: Bytes::from(payload),
            encoding: Encoding::Json,
        };
        RawMessage { origin, kind: None }
    };
    (0..MESSAGES).map(message).collect()
}

async fn run_line(line: Line) -> Result<(), LineError> {
    let source = MemorySource::new(SPEC.source, &messages(), line.position(), &[BATCH]);
    run(SPEC.flow, source, line, Keep::default(), |_| ()).await
}

async fn take(options: &PgConnectOptions) -> Line {
    Line::take(options, SPEC).await.unwrap()
}

/// Claims, rows and impressions in windows.
async fn counted(options: &PgConnectOptions) -> (i64, i64, i64) {
    let mut connection = options.connect().await.unwrap();
    let counts = "SELECT (SELECT count(*) FROM claims), (SELECT count(*) FROM impressions),
                         (SELECT coalesce(sum(impressions), 0)::bigint FROM windows)";
    sqlx::query_as(counts).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_zombie_writes_nothing() {
    let options = support::database().await;
    let zombie = take(&options).await;
    let heir = take(&options).await;
    let refused = run_line(zombie).await.unwrap_err();
    assert!(matches!(refused, LineError::Sink(SinkError::Fenced { .. })), "{refused}");
    assert_eq!(counted(&options).await, (0, 0, 0));
    run_line(heir).await.unwrap();
    assert_eq!(counted(&options).await, (MESSAGES, MESSAGES, MESSAGES));
}

async fn begun(options: &PgConnectOptions, span: Span) -> Epoch {
    let sink = PostgresSink::new(take(options).await, RawRows::Keep);
    sink.begin(span, EpochNames::default(), FactsAccess::Read).await.unwrap()
}

#[tokio::test]
async fn a_zombie_that_still_commits_is_waited_for() {
    let options = support::database().await;
    let span = Span { after: Position::START, through: Position::offset(MESSAGES - 1), messages: 0 };
    let epoch = begun(&options, span).await;
    let mut heir = Box::pin(take(&options));
    assert!(tokio::time::timeout(MOMENT, &mut heir).await.is_err(), "the line was taken in the middle of an epoch");
    epoch.commit(Tally { accepted: 0, duplicates: 0, rejected: 0 }, None).await.unwrap();
    assert_eq!(heir.await.position(), span.through);
}

#[tokio::test]
async fn a_zombie_that_hangs_in_an_epoch_is_not_waited_for() {
    let options = support::database().await;
    let span = Span { after: Position::START, through: Position::offset(MESSAGES - 1), messages: 0 };
    let epoch = begun(&options, span).await;
    Line::evict(&options, SPEC).await.unwrap();
    let heir = tokio::time::timeout(PATIENCE, take(&options)).await.expect("the zombie kept the line");
    assert_eq!(heir.position(), Position::START);
    let refused = epoch.commit(Tally { accepted: 0, duplicates: 0, rejected: 0 }, None).await;
    assert!(refused.is_err(), "the zombie committed");
    run_line(heir).await.unwrap();
    assert_eq!(counted(&options).await, (MESSAGES, MESSAGES, MESSAGES));
}

#[tokio::test]
async fn a_line_that_was_moved_is_fenced() {
    let options = support::database().await;
    let line = take(&options).await;
    let moved = "UPDATE lines SET ledger = 0, entry = 3";
    sqlx::query(moved).execute(&mut options.connect().await.unwrap()).await.unwrap();
    let refused = run_line(line).await.unwrap_err();
    assert!(matches!(refused, LineError::Sink(SinkError::Fenced { .. })), "{refused}");
    assert_eq!(counted(&options).await, (0, 0, 0));
}

//! `alpes verify` calls what is sound sound, and each comparison was seen to fail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod counts;
mod money;
mod tampering;
mod unstored;

use std::collections::BTreeSet;
use std::time::Duration;

use alpes::verify::{Outcome, verify};
use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use schemas::message::{Encoding, Origin};
use schemas::{Kind, Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line, closer};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

const GRACE: Duration = Duration::from_secs(600);

fn message(offset: i64, payload: String, replay_of: Option<i64>) -> RawMessage {
    let origin = Origin {
        position: Position::offset(offset),
        published_at: Timestamp::parse("2026-01-01T03:00:00Z").unwrap(),
        assigned_id: None,
        replay_of,
        payload: Bytes::from(payload),
        encoding: Encoding::Json,
    };
    RawMessage { origin, kind: None }
}

/// Time passes up to 02:00.
fn tick(offset: i64) -> RawMessage {
    let mut tick = message(offset, String::new(), None);
    tick.origin.published_at = Timestamp::parse("2026-01-01T02:00:00Z").unwrap();
    tick.kind = Some(Kind::Tick);
    tick
}

async fn run_line(options: &PgConnectOptions, flow: Flow, name: &str, messages: &[RawMessage]) {
    let spec = LineSpec { flow, source: name, live: name.starts_with("log"), exclusive: false };
    let line = Line::take(options, spec).await.unwrap();
    let source = MemorySource::new(name, messages, line.position(), &[4]);
    run(flow, source, line, Keep::default(), |_| ()).await.unwrap();
}

async fn close(options: &PgConnectOptions) {
    let mut connection = options.connect().await.unwrap();
    while closer::close(&mut connection, Timestamp::now(), GRACE).await.unwrap().1 {}
}

async fn outcomes(options: &PgConnectOptions) -> Vec<Outcome> {
    verify(options, |_| ()).await.unwrap()
}

fn wrong(outcomes: &[Outcome]) -> BTreeSet<&'static str> {
    outcomes.iter().filter(|outcome| outcome.different > 0).map(|outcome| outcome.name).collect()
}

/// Comparisons of what is owed; all others are of what was counted.
fn is_of_money(name: &str) -> bool {
    ["commissions of", "accruals", "ledger:", "campaigns: spans"].iter().any(|prefix| name.starts_with(prefix))
}

/// A sound database, and what was noticed when copies of it were changed by hand.
struct Tampered {
    sound: PgConnectOptions,
    seen: BTreeSet<&'static str>,
    missed: Vec<String>,
}

impl Tampered {
    const fn new(sound: PgConnectOptions) -> Self {
        Self { sound, seen: BTreeSet::new(), missed: Vec::new() }
    }

    /// Changes a copy, which these comparisons at least must notice.
    async fn change(&mut self, change: &str, noticed_by: &[&str]) {
        let options = support::copy(&self.sound).await;
        let mut connection = options.connect().await.unwrap();
        let changed = sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut connection).await;
        let changed = changed.unwrap_or_else(|error| panic!("{change}: {error}"));
        assert!(changed.rows_affected() > 0, "nothing changed: {change}");
        let outcomes = outcomes(&options).await;
        let wrong = wrong(&outcomes);
        if noticed_by.iter().any(|name| !wrong.contains(name)) {
            self.missed.push(format!("{change}: noticed by {wrong:?}, not by all of {noticed_by:?}"));
        }
        for outcome in outcomes.iter().filter(|outcome| outcome.different > 0) {
            assert_eq!(outcome.examples.len() as i64, outcome.different.min(alpes::verify::EXAMPLES_MAX));
        }
        self.seen.extend(wrong);
    }

    /// A comparison that was never seen to fail proves nothing.
    async fn assert_all_noticed(&self, of_money: bool) {
        assert!(self.missed.is_empty(), "{:#?}", self.missed);
        let mut all: BTreeSet<_> = outcomes(&self.sound).await.iter().map(|outcome| outcome.name).collect();
        all.retain(|name| is_of_money(name) == of_money && !self.seen.contains(name));
        assert!(all.is_empty(), "never seen to fail: {all:?}");
    }
}

/// Nothing differs, and there is something to be compared.
async fn assert_sound(options: &PgConnectOptions, of_money: bool) {
    let outcomes = outcomes(options).await;
    assert!(wrong(&outcomes).is_empty(), "{outcomes:#?}");
    for outcome in outcomes.iter().filter(|outcome| is_of_money(outcome.name) == of_money) {
        assert!(outcome.compared > 0, "nothing was there to be compared: {outcome:?}");
    }
}

#[tokio::test]
async fn an_empty_database_is_sound() {
    assert!(wrong(&outcomes(&support::database().await).await).is_empty());
}

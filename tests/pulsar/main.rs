//! Pulsar for real: a broker of our own, foreign clients in Python, the real program in real processes.
//!
//! `make test` runs one round of each disturbance; with `ALPES_DRILL` set, as in `make drill`, many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../support/alpes.rs"]
#[allow(dead_code)] // the crash tests need more of it
mod alpes;
#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/reaper.rs"]
mod reaper;
#[path = "../crash/sample.rs"]
#[allow(dead_code)] // the same
mod sample;

mod foreign;
mod gaps;
mod schemas;
mod security;
mod storm;
mod topics;
mod trouble;
mod workers;

use std::sync::LazyLock;

use alpes::{Home, wait_until};
use broker::{Broker, Namespace};
use serde_json::Value;

/// The broker of all tests that leave it alone.
static BROKER: LazyLock<Broker> = LazyLock::new(Broker::start);

/// Topics of this test on the common broker.
fn topics() -> Namespace {
    BROKER.namespace()
}

/// How often a disturbance comes.
fn rounds() -> u32 {
    if std::env::var_os("ALPES_DRILL").is_some() { 10 } else { 1 }
}

/// The lines, as `alpes workers` shows them.
fn lines(home: &Home) -> Vec<Value> {
    let Value::Array(lines) = serde_json::from_str(&home.run("workers --json")).unwrap() else { panic!("no list") };
    lines
}

/// Waits until no line has anything waiting.
fn wait_until_counted(home: &Home) {
    wait_until("everything is counted", || {
        let lines = lines(home);
        let idle = |line: &Value| line["waiting"] == 0;
        lines.iter().any(|line| line["source"].as_str().unwrap().contains('@')) && lines.iter().all(idle)
    });
}

/// A campaign's statistics.
fn statistics(home: &Home, campaign: &str) -> Value {
    let answer = http::get(home.http(), &format!("/tracking/queries/campanas/{campaign}/estadisticas")).unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

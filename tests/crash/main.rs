//! Whatever is killed, and whenever: what was accepted is counted, once. The real program in real processes, on real
//! input, against tables that an independent program computed from it.
//!
//! `make test` runs a few rounds of each; with `ALPES_DRILL` set, as in `make drill`, many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../support/alpes.rs"]
mod alpes;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/owed.rs"]
mod owed;
#[path = "../support/reaper.rs"]
mod reaper;

mod backfill;
#[cfg(feature = "failpoints")]
mod closer;
#[cfg(feature = "failpoints")]
mod failpoints;
mod ledger;
mod load;
mod recorder;
mod roles;
mod sample;
mod tables;

use std::ops::Range;
use std::time::Duration;

/// Kills in one round.
const KILLS: u32 = 3;
/// Rounds of a drill.
const DRILL_ROUNDS: u32 = 10;

fn is_drill() -> bool {
    std::env::var_os("ALPES_DRILL").is_some()
}

/// How often a test is run whose kills come at random moments.
fn rounds() -> u32 {
    if is_drill() { DRILL_ROUNDS } else { 1 }
}

/// Waits for a random moment; its length stands in the output of a test that fails.
fn sleep_within(milliseconds: Range<u64>) {
    let moment = Duration::from_millis(rand::Rng::random_range(&mut rand::rng(), milliseconds));
    println!("after {moment:?}");
    std::thread::sleep(moment);
}

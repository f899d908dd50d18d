//! `alpes`, aborted at each step of an epoch, and between an append and its answer.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use serde_json::Value;

use super::alpes::{Home, Running};
use super::load::load;
use super::tables::Tables;
use super::{is_drill, sample};

/// In the order in which an epoch passes them.
const STEPS: [&str; 6] = [
    "epoch::begun",
    "epoch::claimed",
    "epoch::rows_written",
    "epoch::sums_written",
    "epoch::before_commit",
    "epoch::committed",
];
/// What `abort` ends a process with.
const SIGABRT: i32 = 6;
/// Small files, of some epochs each: lines that go on, lines that begin, and files that are finished.
const FILES: usize = 4;
const LINES: usize = 20_000;
/// Campaigns, in a file of their own before the others: their announcements are written once, too.
const CAMPAIGNS: usize = 40;
/// How many epochs pass the step before one aborts at it.
const PASSES: [usize; 1] = [4];
const DRILL_PASSES: [usize; 6] = [0, 1, 2, 3, 5, 8];
/// Appends that are answered before one is not, in each life of an `up`.
const APPENDS: [u32; 3] = [3, 8, 5];

/// The command line that reads all files.
fn backfill(folder: &Path) -> String {
    let campaigns = folder.join("campaigns.ndjson");
    let campaign = |number| format!(r#"{{"comando":"crear-campaña","id":"cmp-{number:04}"}}"#) + "\n";
    std::fs::write(&campaigns, (0..CAMPAIGNS).map(campaign).collect::<String>()).unwrap();
    format!("backfill {} {}", campaigns.display(), sample::files(folder, LINES, FILES).join(" "))
}

/// What has come of the files: the tables, and how many lines were accepted, duplicates, rejected.
fn outcome(home: &Home, backfill: &str) -> (Tables, Vec<[Value; 4]>) {
    let summaries = home.run(&format!("{backfill} --json"));
    let summaries = summaries.lines().map(|line| {
        let summary: Value = serde_json::from_str(line).unwrap();
        ["lines", "accepted", "duplicates", "rejected"].map(|key| summary[key].clone())
    });
    (Tables::of(home), summaries.collect())
}

#[test]
fn aborted_at_any_step_it_counts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let backfill = backfill(folder.path());
    let calm = Home::new();
    let (tables, summaries) = outcome(&calm, &backfill);
    let passes: &[usize] = if is_drill() { &DRILL_PASSES } else { &PASSES };
    for (step, passes) in STEPS.iter().flat_map(|step| passes.iter().map(move |passes| (step, passes))) {
        let failpoint = format!("{step}={passes}*off->return");
        println!("{failpoint}");
        let home = Home::new();
        abort(&home, &failpoint, &backfill);
        home.run(&backfill);
        let found = outcome(&home, &backfill);
        tables.assert_same(&found.0);
        assert_eq!(summaries, found.1);
        assert_eq!(home.run("export campañas").lines().count(), 1 + CAMPAIGNS);
        home.run("verify");
    }
}

/// A chunk that is sent again because its answer was lost would show in the rejects, if it were appended again.
#[test]
fn an_append_whose_answer_was_lost_is_not_made_twice() {
    let home = Home::new();
    let load = home.start(&load(&sample::packed(), home.http()));
    // Some of the appends are ticks, but not all of those that abort.
    for appends in APPENDS {
        abort(&home, &format!("log::appended={appends}*off->return"), "up");
    }
    let _up = home.serve("up");
    load.finish();
    home.wait_until_counted();
    Tables::expected().assert_same(&Tables::of(&home));
    home.run("verify");
}

/// Runs a subcommand until a failpoint aborts it.
pub(crate) fn abort(home: &Home, failpoint: &str, arguments: &str) {
    let mut command = home.command(arguments);
    command.env("FAILPOINTS", failpoint);
    let status = Running::start(command).wait();
    assert_eq!(status.signal(), Some(SIGABRT), "{failpoint}: {status}");
}

//! Many workers share the partitions: one takes over what another leaves, however it leaves.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::alpes::{Home, Running, signal, wait_until};
use super::storm::{assert_sample_counted, load_at, worker};
use super::{lines, topics};

/// How long a partition may be nobody's after its worker was killed.
const TAKE_OVER_MAX: Duration = Duration::from_secs(10);
/// Lines per second: partitions change hands as long as something comes, here for more than half a minute.
const RATE: u32 = 3_000;

/// Owner and epoch number of the lines over Alpes' own tracking partitions that somebody has taken.
fn owners(home: &Home) -> Vec<(String, String, i64)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let ours = |line: &Value| text(line, "source").starts_with("alpes-comandos") && line["epoch"] != 0;
    let lines = lines(home).into_iter().filter(ours);
    lines.map(|line| (text(&line, "source"), text(&line, "owner"), line["epoch"].as_i64().unwrap())).collect()
}

/// How many partitions the process has taken last.
fn owned(home: &Home, worker: &Running) -> usize {
    let process = format!("-{}-", worker.id());
    owners(home).iter().filter(|(_, owner, _)| owner.contains(&process)).count()
}

#[test]
fn a_killed_workers_partitions_are_taken_over_in_seconds() {
    let home = Home::with(topics().environment());
    let _api = home.serve("api");
    let mut first = worker(&home);
    let load = load_at(&home, RATE);
    wait_until("the first worker has all partitions", || owned(&home, &first) == 4);
    let second = worker(&home);
    wait_until("the second worker shares them", || owned(&home, &second) > 0);
    assert!(first.kill());
    let killed = Instant::now();
    wait_until("the second worker has all partitions", || owned(&home, &second) == 4);
    let took = killed.elapsed();
    println!("taken over within {took:?}");
    assert!(took < TAKE_OVER_MAX, "{took:?}");
    load.finish();
    assert_sample_counted(&home);
}

#[test]
fn a_frozen_worker_that_wakes_up_changes_nothing() {
    let home = Home::with(topics().environment());
    let _api = home.serve("api");
    let first = worker(&home);
    let load = load_at(&home, RATE);
    wait_until("the first worker has all partitions", || owned(&home, &first) == 4);
    let second = worker(&home);
    wait_until("the second worker shares them", || owned(&home, &second) > 0);
    signal("STOP", first.id());
    let frozen = Instant::now();
    wait_until("the second worker has all partitions", || owned(&home, &second) == 4);
    println!("taken over within {:?}", frozen.elapsed());
    signal("CONT", first.id());
    load.finish();
    assert_sample_counted(&home);
}

//! Workers and the broker are killed while the sample is being loaded: nothing is lost, nothing is counted twice.

use std::time::Duration;

use super::alpes::{Home, Running, free_address};
use super::broker::Broker;
use super::{rounds, sample, wait_until_counted};

/// Lines per second: a load lasts about ten seconds, so that something can happen meanwhile.
const RATE: u32 = 10_000;
/// Processes that share the partitions.
const WORKERS: usize = 3;
/// A bookie that is killed in the middle of a write may leave half an entry, and then nobody can open its topic (half an entry,
/// docs/PULSAR.md). With such a broker there is nothing to see, so another one is taken, this often.
const BROKERS_MAX: usize = 3;
/// How the API logs that commands were not to be had in the log.
const REFUSED: &str = "append failed";
/// What the broker says then, to the end.
const HALF_AN_ENTRY: &str = "Error while recovering ledger";

/// Starts a worker beside others.
pub(crate) fn worker(home: &Home) -> Running {
    home.start(&format!("pipeline --http {}", free_address()))
}

/// Sends the sample to the API.
pub(crate) fn load(home: &Home) -> Running {
    load_at(home, RATE)
}

/// The same, so many lines a second.
pub(crate) fn load_at(home: &Home, rate: u32) -> Running {
    home.start(&format!("load {} --url http://{} --rate {rate}", sample::packed(), home.http()))
}

/// The windows are those that an independent program computed, and everything else agrees with what is stored.
pub(crate) fn assert_sample_counted(home: &Home) {
    wait_until_counted(home);
    sample::assert_same_lines("ventanas", &sample::unpack("ventanas.csv.zst"), &home.run("export ventanas"));
    home.run("verify");
}

#[test]
fn killed_workers_and_brokers_lose_nothing() {
    for _ in 0..rounds() {
        let survived = (0..BROKERS_MAX).any(|_| workers_and_a_broker_are_killed());
        assert!(survived, "{BROKERS_MAX} brokers, one after another, could not open what they had written");
    }
}

/// False if the broker could not open a ledger that it had written.
fn workers_and_a_broker_are_killed() -> bool {
    let mut broker = Broker::start();
    let home = Home::with(broker.namespace().environment());
    let _api = home.serve("api");
    let mut workers: Vec<Running> = (0..WORKERS).map(|_| worker(&home)).collect();
    let load = load(&home);
    for (number, victim) in workers.iter_mut().enumerate() {
        std::thread::sleep(Duration::from_millis(rand::Rng::random_range(&mut rand::rng(), 500..2_500)));
        assert!(victim.kill());
        if number == 1 {
            broker.kill();
            broker.restart();
        }
        *victim = worker(&home);
    }
    let (status, printed) = load.end();
    let log = || std::fs::read_to_string(home.data().join("log")).unwrap();
    if !status.success()
        && log().lines().rfind(|line| line.contains(REFUSED)).is_some_and(|it| it.contains(HALF_AN_ENTRY))
    {
        return false;
    }
    assert!(status.success(), "{printed}");
    assert_sample_counted(&home);
    // Nothing was lost, so nobody may be told that something was: who believes it accepts the loss.
    assert_eq!(log().lines().find(|line| line.contains(" ERROR ")), None);
    true
}

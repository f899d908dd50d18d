//! `alpes up` under load, and what goes on under it.

use super::alpes::{Home, Running, signal, wait_until};
use super::recorder::Recorder;
use super::tables::Tables;
use super::{KILLS, rounds, sample, sleep_within};

/// Lines per second: a load lasts about seven seconds, so that something can happen meanwhile.
const RATE: u32 = 15_000;
/// Between two disturbances.
const CALM: std::ops::Range<u64> = 200..1_200;

/// The command line that sends a file to `http`.
pub(crate) fn load(file: &str, http: &str) -> String {
    format!("load {file} --url http://{http} --rate {RATE}")
}

/// An Alpes in use: the sample is being loaded, and clients send single commands.
struct Storm {
    home: Home,
    up: Running,
    load: Running,
}

impl Storm {
    /// Stops at a random moment under load.
    fn sleep(&mut self) {
        sleep_within(CALM);
        assert!(self.load.is_running(), "the load ended before the storm did");
    }
}

/// Everything that was accepted is counted once, whatever `disturb` does.
fn weather(disturb: impl Fn(&mut Storm)) {
    for _ in 0..rounds() {
        let home = Home::new();
        let up = home.serve("up");
        let recorder = Recorder::start(&home);
        let load = home.start(&load(&sample::packed(), home.http()));
        let mut storm = Storm { home, up, load };
        disturb(&mut storm);
        let Storm { home, up: _up, load } = storm;
        println!("{}", load.finish());
        let record = recorder.stop();
        home.wait_until_counted();
        Tables::expected().assert_same(&Tables::of(&home));
        record.assert_counted(&home);
        home.run("verify");
    }
}

#[test]
fn a_killed_up_loses_nothing() {
    weather(|storm| {
        for _ in 0..KILLS {
            storm.sleep();
            assert!(storm.up.kill());
            storm.up = storm.home.serve("up");
        }
    });
}

#[test]
fn a_stopped_up_ends_well_and_loses_nothing() {
    weather(|storm| {
        storm.sleep();
        storm.up.terminate();
        assert_eq!(storm.up.wait().code(), Some(0));
        storm.up = storm.home.serve("up");
    });
}

#[test]
fn a_killed_load_is_started_again() {
    weather(|storm| {
        storm.sleep();
        assert!(storm.load.kill());
        storm.load = storm.home.start(&load(&sample::packed(), storm.home.http()));
    });
}

#[test]
fn a_postgres_that_goes_down_under_load_comes_back() {
    weather(|storm| {
        // What `pg_ctl stop -m immediate` sends; then what nobody can catch.
        for fatal in ["QUIT", "KILL"] {
            storm.sleep();
            let killed = storm.home.postgres().unwrap();
            signal(fatal, killed);
            wait_until("PostgreSQL is there again", || storm.home.postgres().is_some_and(|now| now != killed));
        }
    });
}

#[test]
fn a_second_load_changes_no_sum() {
    let home = Home::new();
    let _up = home.serve("up");
    home.run(&load(&sample::packed(), home.http()));
    // The same lines in other pieces: nothing but their ids says that they were there.
    let [all] = &sample::files(home.data(), sample::LINES, 1)[..] else { panic!("one file") };
    home.run(&load(all, home.http()));
    home.wait_until_counted();
    Tables::expected().without_rejects().assert_same(&Tables::of(&home));
    home.run("verify");
}

#[test]
fn a_load_and_a_backfill_of_the_same_commands_count_once() {
    let home = Home::new();
    let _up = home.serve("up");
    let load = home.start(&load(&sample::packed(), home.http()));
    home.run(&format!("backfill {}", sample::packed()));
    load.finish();
    home.wait_until_counted();
    Tables::expected().without_rejects().assert_same(&Tables::of(&home));
    home.run("verify");
}

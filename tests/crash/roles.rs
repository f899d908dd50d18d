//! One role per process: two that take commands, two that count, of which one is killed. Whoever counts
//! closes windows and posts what they earn, too.

use super::alpes::{Home, free_address};
use super::load::load;
use super::tables::Tables;
use super::{owed, rounds, sample, sleep_within};

/// Within the load.
const MOMENT: std::ops::Range<u64> = 500..2_500;

#[test]
fn two_apis_fill_one_log_and_a_standby_takes_over() {
    for _ in 0..rounds() {
        let home = Home::new();
        let other = free_address();
        let _api = home.serve("api");
        let _other_api = home.start(&format!("api --http {other}"));
        home.run(&format!("backfill {}", sample::data("campaigns.ndjson.zst").display()));
        let pipeline = || home.start(&format!("pipeline --grace-seconds 0 --http {}", free_address()));
        let mut counting = pipeline();
        let halves = sample::files(home.data(), sample::LINES, 2);
        let mut loads = [home.http(), &other].into_iter().zip(&halves);
        let mut loads: Vec<_> = loads.by_ref().map(|(http, half)| home.start(&load(half, http))).collect();
        let _standby = pipeline();
        sleep_within(MOMENT);
        assert!(loads.iter_mut().all(|load| load.is_running()), "the load ended too early");
        assert!(counting.kill());
        loads.into_iter().for_each(|load| drop(load.finish()));
        // A reader refuses to go on over an offset that is missing or there twice: then this would wait for ever.
        home.wait_until_counted();
        Tables::expected().assert_same(&Tables::of(&home));
        owed::assert_owed(&home);
        home.run("verify");
    }
}

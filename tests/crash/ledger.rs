//! `alpes` killed while it posts: everybody is owed what they should be, and the chain of the ledger is unbroken.

use super::alpes::Home;
#[cfg(feature = "failpoints")]
use super::failpoints::abort;
#[cfg(feature = "failpoints")]
use super::is_drill;
use super::load::load;
use super::owed::{UP, assert_owed};
use super::{KILLS, rounds, sample, sleep_within};

/// In the order in which a transaction of the ledger passes them.
#[cfg(feature = "failpoints")]
const STEPS: [&str; 3] = ["ledger::taken", "ledger::posted", "ledger::committed"];
/// How many transactions pass the step before one aborts at it; the sample takes about ten.
#[cfg(feature = "failpoints")]
const PASSES: [u32; 1] = [1];
#[cfg(feature = "failpoints")]
const DRILL_PASSES: [u32; 3] = [0, 1, 2];
/// Between two kills: within a load, and within what there is to post of it.
const CALM: std::ops::Range<u64> = 500..2_500;

/// The campaigns of the sample, with their terms.
fn terms() -> String {
    sample::data("campaigns.ndjson.zst").display().to_string()
}

#[cfg(feature = "failpoints")]
#[test]
fn aborted_at_any_step_it_posts_the_same() {
    let passes: &[u32] = if is_drill() { &DRILL_PASSES } else { &PASSES };
    for passes in passes {
        let home = Home::new();
        // Nobody posts yet: all of it waits when the first life begins.
        home.run(&format!("backfill {} {}", terms(), sample::packed()));
        for step in STEPS {
            println!("{step} after {passes}");
            abort(&home, &format!("{step}={passes}*off->return"), UP);
        }
        let _up = home.serve(UP);
        assert_owed(&home);
        home.run("verify");
    }
}

/// Terms come amid the events: much is posted twice, under none or some terms and then under others.
#[test]
fn killed_while_it_counts_and_posts_it_owes_the_same() {
    for _ in 0..rounds() {
        let home = Home::new();
        let mut up = home.serve(UP);
        let events = home.start(&load(&sample::packed(), home.http()));
        let terms = home.start(&load(&terms(), home.http()));
        for _ in 0..KILLS {
            sleep_within(CALM);
            assert!(up.kill());
            up = home.serve(UP);
        }
        events.finish();
        terms.finish();
        home.wait_until_counted();
        // Once more, with nothing left to do but to post.
        assert!(up.kill());
        let _up = home.serve(UP);
        assert_owed(&home);
        home.run("verify");
    }
}

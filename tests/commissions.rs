//! Commissions are what an independent program computed, to the last digit, whenever the terms come.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/alpes.rs"]
#[allow(dead_code)] // the crash tests need more of it
mod alpes;
#[path = "support/http.rs"]
#[allow(dead_code)] // the same
mod http;
#[path = "support/owed.rs"]
mod owed;
#[path = "support/reaper.rs"]
mod reaper;
#[path = "crash/sample.rs"]
#[allow(dead_code)] // the same
mod sample;

use alpes::Home;

/// Backfills files in this order.
fn counted(files: &[&str]) -> Home {
    let home = Home::new();
    for file in files {
        home.run(&format!("backfill {file}"));
    }
    home
}

/// By the minute, and, once everything is closed and posted, in the ledger.
fn assert_expected(home: &Home) {
    sample::assert_same_lines("valores", &sample::unpack("valores.csv.zst"), &home.run("export valores"));
    owed::assert_owed(home);
    home.run("verify");
}

/// The same of an Alpes that does not run yet.
fn assert_expected_of(home: &Home) {
    let _up = home.serve(owed::UP);
    assert_expected(home);
}

#[test]
fn terms_may_come_before_or_in_the_middle_of_the_events() {
    let folder = Home::new();
    let (terms, whole) = (sample::data("campaigns.ndjson.zst").display().to_string(), sample::packed());
    let halves = sample::files(folder.data(), sample::LINES, 2);
    assert_expected_of(&counted(&[&terms, &whole]));
    assert_expected_of(&counted(&[&halves[0], &terms, &halves[1]]));
}

/// Over HTTP into a running Alpes, and after the events.
#[test]
fn terms_may_be_loaded_after_the_events() {
    let home = Home::new();
    let up = home.serve(owed::UP);
    for file in [sample::packed(), sample::data("campaigns.ndjson.zst").display().to_string()] {
        home.run(&format!("load {file} --url http://{}", home.http()));
    }
    alpes::wait_until("all terms are there", || {
        let list = http::get(home.http(), "/marketing-influencers/campanas/cmp-1000/comisiones").unwrap();
        list.body.contains("terms-1000-1")
    });
    alpes::wait_until("the events are counted", || home.run("export ventanas").lines().count() == 56_983);
    assert_expected(&home);
    drop(up);
}

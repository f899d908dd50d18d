//! Without rows of impressions and clicks everything else is the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/alpes.rs"]
#[allow(dead_code)] // the crash tests need more of it
mod alpes;
#[path = "support/http.rs"]
#[allow(dead_code)] // the same
mod http;
#[path = "support/reaper.rs"]
mod reaper;
#[path = "crash/sample.rs"]
#[allow(dead_code)] // the same
mod sample;

use alpes::Home;

#[test]
fn what_is_not_stored_is_counted_all_the_same() {
    let home = Home::with([("ALPES_RAW_ROWS", "drop".to_owned())]);
    home.run(&format!("backfill {}", sample::packed()));
    sample::assert_same_lines("ventanas", &sample::unpack("ventanas.csv.zst"), &home.run("export ventanas"));
    assert_eq!(home.run("export impresiones").lines().count(), 1, "only the names of columns");
    assert!(home.run("export conversiones").lines().count() > 4_000);
    home.run("verify");
}

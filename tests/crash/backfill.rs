//! `alpes backfill`, killed.

use super::alpes::Home;
use super::tables::Tables;
use super::{KILLS, rounds, sample, sleep_within};

/// A life is shorter than the file takes, and long enough to get into it.
const LIFE: std::ops::Range<u64> = 100..2_500;

#[test]
fn killed_anywhere_it_goes_on_where_it_was() {
    let backfill = format!("backfill {}", sample::packed());
    for _ in 0..rounds() {
        let home = Home::new();
        let mut kills = 0;
        for _ in 0..KILLS {
            let mut life = home.start(&backfill);
            sleep_within(LIFE);
            kills += u32::from(life.kill());
        }
        home.run(&backfill);
        assert!(kills > 0, "it was never killed: this machine is too fast for such long lives");
        Tables::expected().assert_same(&Tables::of(&home));
        home.run("verify");
    }
}

#[test]
fn a_finished_file_is_left_alone() {
    let home = Home::new();
    let files = sample::files(home.data(), sample::LINES / 50, 2).join(" ");
    home.run(&format!("backfill {files}"));
    let before = Tables::of(&home);
    assert!(home.run(&format!("backfill {files}")).contains("finished before, nothing to do (1000 lines)"));
    before.assert_same(&Tables::of(&home));
}

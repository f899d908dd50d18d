//! `alpes backfill`, killed.

use super::alpes::Home;
use super::tables::Tables;
use super::{KILLS, is_drill, rounds, sample, sleep_within};

/// Into how many files the sample is cut: the more, the sooner an epoch begins, and the more files are finished.
const FILES: [usize; 1] = [10];
const DRILL_FILES: [usize; 3] = [1, 10, 40];
/// A life is shorter than the files take, and long enough to get into them.
const LIFE: std::ops::Range<u64> = 300..4_000;

#[test]
fn killed_anywhere_it_goes_on_where_it_was() {
    let cuts: &[usize] = if is_drill() { &DRILL_FILES } else { &FILES };
    for files in cuts.iter().flat_map(|files| (0..rounds()).map(|_| *files)) {
        let home = Home::new();
        let backfill = format!("backfill {}", sample::files(home.data(), sample::LINES, files).join(" "));
        // Making the database could take longer than a life.
        home.run("verify");
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

//! `alpes backfill`, killed.

use serde_json::Value;

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

/// The flow of campaigns looks at some lines of others, too.
#[test]
fn each_line_counts_in_the_flow_that_it_belongs_to() {
    const MIXED: &str = r#"
{"comando":"crear-campaña","id":"cmp-1"}
{"comando":"crear-campa\u00f1a","id":"cmp-2"}
{"comando":"registrar-impresion","id":"imp-1","campaña_id":"cmp-1"}
{"comando":"registrar-impresion","id":"imp-2","campaña_id":"cmp-1","user_agent":"a \"quoted\" one"}
{"comando":"crear-campaña","id":"cmp-3"
"#;
    let home = Home::new();
    let file = home.data().join("mixed.ndjson");
    std::fs::write(&file, MIXED).unwrap();
    let summary: Value = serde_json::from_str(&home.run(&format!("backfill --json {}", file.display()))).unwrap();
    for (key, count) in [("lines", 5), ("accepted", 4), ("duplicates", 0), ("rejected", 1), ("lines_this_run", 5)] {
        assert_eq!(summary[key], count, "{key}");
    }
    home.run("verify");
}

//! The closer, aborted: roll-ups hold exactly the windows that are closed.

use super::alpes::{Home, wait_until};
use super::failpoints::abort;
use super::http;
use super::load::load;
use super::tables::Tables;
use super::{is_drill, sample};

/// Windows close as soon as their time has come.
const UP: &str = "up --grace-seconds 0";
/// 2026-01-01T07:00:00Z: the events of the sample are older.
const AFTER_THE_SAMPLE: f64 = 1_767_250_800.0;
/// Steps that the closer makes before it aborts; the half of the sample takes it about twenty.
const STEPS: [u32; 1] = [5];
const DRILL_STEPS: [u32; 4] = [0, 1, 5, 15];

#[test]
fn an_aborted_closer_folds_every_window_once() {
    let steps: &[u32] = if is_drill() { &DRILL_STEPS } else { &STEPS };
    for steps in steps {
        let home = Home::new();
        let halves = sample::files(home.data(), sample::LINES, 2);
        // Nobody counts yet: the whole half lies in the log before the first window closes.
        let mut api = home.serve("api");
        home.run(&load(&halves[0], home.http()));
        api.terminate();
        assert!(api.wait().success());
        abort(&home, &format!("closer::before_commit={steps}*off->return"), UP);
        let _up = home.serve(UP);
        home.wait_until_counted();
        wait_until("all windows are closed", || closed_through(&home) > AFTER_THE_SAMPLE);
        home.run(&load(&halves[1], home.http()));
        home.wait_until_counted();
        Tables::expected().assert_same(&Tables::of(&home));
        assert!(home.run("export tardios").lines().count() > sample::LINES / 4, "half of the sample was late");
        home.run("verify");
    }
}

/// Up to when windows are closed, in seconds since 1970.
fn closed_through(home: &Home) -> f64 {
    let metrics = http::get(home.http(), "/metrics").unwrap().body;
    let value = metrics.lines().find_map(|line| line.strip_prefix("alpes_closed_through_timestamp_seconds "));
    value.map_or(0.0, |value| value.parse().unwrap())
}

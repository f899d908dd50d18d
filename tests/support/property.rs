//! What property tests share: how many cases, a runtime for each, another order of the same things.

use proptest::test_runner::Config;

/// Cases per property; `ALPES_CASES` asks for more (`make drill` does).
pub(crate) fn cases() -> Config {
    let cases = std::env::var("ALPES_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    Config { cases, max_shrink_iters: 60, failure_persistence: None, ..Config::default() }
}

/// Runs a case to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Fisher–Yates with a small generator: the same for the same seed.
pub(crate) fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for i in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(i, (seed >> 33) as usize % (i + 1));
    }
}

//! What each operator costs an event, in time and in allocations, over a batch of a programme's mix: `cargo bench`.

mod support;

use divan::{AllocProfiler, Bencher, counter::ItemsCount};
use operators::Batch;

use support::{COMMANDS, EVENTS, FRESH, RAW, RECORDS, WINDOWED};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Measures one step over a batch that is made anew, unmeasured, for every run.
fn step<T: Clone + Sync, U>(bencher: Bencher<'_, '_>, input: &Batch<T>, run: impl Fn(Batch<T>) -> U + Sync) {
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| input.clone()).bench_values(run);
}

#[divan::bench]
fn a_decode(bencher: Bencher<'_, '_>) {
    step(bencher, &RAW, support::decode);
}

#[divan::bench]
fn b_validate(bencher: Bencher<'_, '_>) {
    step(bencher, &RECORDS, support::validate);
}

#[divan::bench]
fn c_claim(bencher: Bencher<'_, '_>) {
    step(bencher, &COMMANDS, support::claim);
}

#[divan::bench]
fn d_window(bencher: Bencher<'_, '_>) {
    step(bencher, &FRESH, support::window);
}

#[divan::bench]
fn e_total(bencher: Bencher<'_, '_>) {
    step(bencher, &WINDOWED, support::total);
}

/// An item is a sale.
#[divan::bench]
fn f_commission(bencher: Bencher<'_, '_>) {
    step(bencher, &support::sales(), support::commission);
}

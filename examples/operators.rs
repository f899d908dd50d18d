//! Runs one operator over one batch, for counting its instructions: they are the same on a busy machine.
//!
//! `valgrind --tool=callgrind --toggle-collect='*measured*' target/release/examples/operators decode`
//!
//! Prints the number of events, by which the instructions are to be divided; `bench/bench.py operators` does that.

#![allow(clippy::print_stdout)]

#[path = "../benches/support/mod.rs"]
mod support;

use std::hint::black_box;

use operators::Batch;

use support::{COMMANDS, EVENTS, FRESH, RAW, RECORDS, WINDOWED};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("decode") => step(&RAW, support::decode),
        Some("validate") => step(&RECORDS, support::validate),
        Some("claim") => step(&COMMANDS, support::claim),
        Some("window") => step(&FRESH, support::window),
        Some("total") => step(&WINDOWED, support::total),
        Some("commission") => step(&support::sales(), support::commission),
        _ => panic!("decode, validate, claim, window, total or commission"),
    }
    println!("{EVENTS}");
}

fn step<T: Clone, U>(input: &Batch<T>, run: impl Fn(Batch<T>) -> U) {
    black_box(measured(input.clone(), run));
}

/// What is counted: nothing outside of this function is.
#[inline(never)]
fn measured<T, U>(batch: Batch<T>, run: impl Fn(Batch<T>) -> U) -> U {
    run(black_box(batch))
}

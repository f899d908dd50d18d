//! What each operator costs an event, in time and in allocations, over a batch of a programme's mix: `cargo bench`.

use alpes::generate::{Generator, Mix};
use bytes::Bytes;
use divan::{AllocProfiler, Bencher, counter::ItemsCount};
use operators::window::ONE_MINUTE;
use operators::{Batch, Claims, Commission, Decode, Ids, Operator, Readers, Total, Validate, Window};
use rust_decimal::Decimal;
use schemas::commission::{Counted, RuleKey, Sold, Unsettled};
use schemas::message::{Encoding, Origin};
use schemas::terms::{Basis, Pay, Rule};
use schemas::wire::{Privacy, Record};
use schemas::{
    Command, ConversionKind, Currency, Envelope, HeldClaim, Money, Position, RawMessage, Span, Timestamp, Windowed,
};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

/// As many as a batch of a line has when it is behind.
const EVENTS: usize = 16_000;
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

fn main() {
    divan::main();
}

/// Every step's input, made by the steps before it.
static RAW: LazyLock<Batch<RawMessage>> = LazyLock::new(raw);
static RECORDS: LazyLock<Batch<Envelope<Record>>> = LazyLock::new(|| decoding().on_batch(RAW.clone()));
static COMMANDS: LazyLock<Batch<Envelope<Command>>> = LazyLock::new(|| validating().on_batch(RECORDS.clone()));
static FRESH: LazyLock<Batch<Envelope<Command>>> = LazyLock::new(|| claim(COMMANDS.clone()));
static WINDOWED: LazyLock<Batch<Windowed>> = LazyLock::new(|| Window::tumbling(ONE_MINUTE).on_batch(FRESH.clone()));

fn raw() -> Batch<RawMessage> {
    let mix = Mix {
        events: 1_000_000,
        campaigns: 1_000,
        influencers: 5_000,
        hours: 6,
        start: START,
        duplicates: 10,
        faults: 1,
    };
    let mut generator = Generator::new(mix, 7);
    let message = |number: usize| {
        let mut line = Vec::new();
        generator.write(number as u64, &mut line);
        let origin = Origin {
            position: Position::offset(number as i64),
            published_at: START.plus(Duration::from_secs(86_400)),
            assigned_id: None,
            replay_of: None,
            payload: Bytes::from(line),
            encoding: Encoding::Json,
        };
        RawMessage { origin, kind: None }
    };
    let span = Span { after: Position::START, through: Position::offset(EVENTS as i64), messages: EVENTS as u64 };
    Batch::new((0..EVENTS).map(message).collect(), span)
}

fn decoding() -> Decode {
    Decode::tracking(Readers::Every)
}

fn validating() -> Validate {
    Validate::new("bench", Ids::Sent, Privacy::AsSent)
}

fn claim(batch: Batch<Envelope<Command>>) -> Batch<Envelope<Command>> {
    let claims = Claims::of(batch);
    divan::black_box(claims.wanted());
    claims.settle(&HeldClaim::default())
}

/// Measures one step over a batch that is made anew, unmeasured, for every run.
fn step<T: Clone + Sync, U>(bencher: Bencher<'_, '_>, input: &Batch<T>, run: impl Fn(Batch<T>) -> U + Sync) {
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| input.clone()).bench_values(run);
}

#[divan::bench]
fn a_decode(bencher: Bencher<'_, '_>) {
    step(bencher, &RAW, |batch| decoding().on_batch(batch));
}

#[divan::bench]
fn b_validate(bencher: Bencher<'_, '_>) {
    step(bencher, &RECORDS, |batch| validating().on_batch(batch));
}

#[divan::bench]
fn c_claim(bencher: Bencher<'_, '_>) {
    step(bencher, &COMMANDS, claim);
}

#[divan::bench]
fn d_window(bencher: Bencher<'_, '_>) {
    step(bencher, &FRESH, |batch| Window::tumbling(ONE_MINUTE).on_batch(batch));
}

#[divan::bench]
fn e_total(bencher: Bencher<'_, '_>) {
    step(bencher, &WINDOWED, |batch| Total::per_window().on_batch(batch));
}

/// An influencer in a campaign with one hour to settle: clicks and sixteen sales.
fn unsettled(number: usize) -> Unsettled {
    let (click, sale) = (RuleKey { terms: 1, rule: 1 }, RuleKey { terms: 1, rule: 2 });
    let pay = Pay::Flat(Money::parse("0.35", Currency::Usd).unwrap_or(Money::zero(Currency::Usd)));
    let rules = [
        (click, Arc::new(Rule::plain(Basis::Click, pay))),
        (sale, Arc::new(Rule::plain(Basis::Conversion(ConversionKind::Sale), Pay::Percent(Decimal::from(7))))),
    ];
    let sold = |sale_number: usize| Sold {
        id: format!("sale-{number}-{sale_number}").into(),
        event_time: START.plus(Duration::from_secs(sale_number as u64)),
        amount: Money::parse("19.99", Currency::Usd).unwrap_or(Money::zero(Currency::Usd)),
        refunded: Decimal::ZERO,
        undone: false,
        rule: sale,
    };
    Unsettled {
        campaign: 1,
        influencer: number as i32,
        hours: vec![(START, schemas::commission::Cause::Conversion)],
        closed_through: START.plus(Duration::from_secs(86_400)),
        rules: Arc::new(rules.into_iter().collect()),
        counted: vec![Counted { hour: START, rule: click, quantity: Decimal::from(17) }],
        sold: (0..16).map(sold).collect(),
        accruals: Vec::new(),
        commissions: Vec::new(),
    }
}

/// A thousand influencers with sixteen sales each; an item is a sale.
#[divan::bench]
fn f_commission(bencher: Bencher<'_, '_>) {
    let span = Span { after: Position::START, through: Position::START, messages: 0 };
    let batch = Batch::new((0..EVENTS / 16).map(unsettled).collect(), span);
    step(bencher, &batch, |batch| Commission::new().on_batch(batch));
}

//! Every operator's input, made by the operators before it: for `cargo bench`, and for counting instructions.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use alpes::generate::{Generator, Mix};
use bytes::Bytes;
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

/// As many as a batch of a line has when it is behind.
pub(crate) const EVENTS: usize = 16_000;
/// Sales of an influencer in the batch for [`commission`].
const SALES_EACH: usize = 16;
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Every step's input, made by the steps before it.
pub(crate) static RAW: LazyLock<Batch<RawMessage>> = LazyLock::new(raw);
pub(crate) static RECORDS: LazyLock<Batch<Envelope<Record>>> = LazyLock::new(|| decode(RAW.clone()));
pub(crate) static COMMANDS: LazyLock<Batch<Envelope<Command>>> = LazyLock::new(|| validate(RECORDS.clone()));
pub(crate) static FRESH: LazyLock<Batch<Envelope<Command>>> = LazyLock::new(|| claim(COMMANDS.clone()));
pub(crate) static WINDOWED: LazyLock<Batch<Windowed>> = LazyLock::new(|| window(FRESH.clone()));

fn raw() -> Batch<RawMessage> {
    let mix = Mix {
        events: 1_000_000,
        campaigns: 1_000,
        influencers: 5_000,
        hours: 6,
        start: START,
        duplicates: 10,
        faults: 1,
        programme: 7,
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

pub(crate) fn decode(batch: Batch<RawMessage>) -> Batch<Envelope<Record>> {
    Decode::tracking(Readers::Every).on_batch(batch)
}

pub(crate) fn validate(batch: Batch<Envelope<Record>>) -> Batch<Envelope<Command>> {
    Validate::new("bench", Ids::Sent, Privacy::AsSent).on_batch(batch)
}

/// Sorted, the first of each key; nothing was there before.
pub(crate) fn claim(batch: Batch<Envelope<Command>>) -> Batch<Envelope<Command>> {
    let claims = Claims::of(batch);
    black_box(claims.wanted());
    claims.settle(&HeldClaim::default())
}

pub(crate) fn window(batch: Batch<Envelope<Command>>) -> Batch<Windowed> {
    Window::tumbling(ONE_MINUTE).on_batch(batch)
}

pub(crate) fn total(batch: Batch<Windowed>) -> impl Sized {
    Total::per_window().on_batch(batch)
}

pub(crate) fn commission(batch: Batch<Unsettled>) -> impl Sized {
    Commission::new().on_batch(batch)
}

/// A thousand influencers with sixteen sales each.
pub(crate) fn sales() -> Batch<Unsettled> {
    let span = Span { after: Position::START, through: Position::START, messages: 0 };
    Batch::new((0..EVENTS / SALES_EACH).map(unsettled).collect(), span)
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
        sold: (0..SALES_EACH).map(sold).collect(),
        accruals: Vec::new(),
        commissions: Vec::new(),
    }
}

//! Whatever changes, in whatever portions: postings sum up to what everything is worth, computed at once.

use proptest::prelude::*;
use proptest::test_runner::Config;
use rust_decimal::{Decimal, RoundingStrategy};
use schemas::Currency;
use schemas::commission::{Cause, Concept, RuleKey, Sold, Subject};
use schemas::terms::{Basis, Pay, Period, Rule, Scale};
use std::collections::BTreeMap;

use super::book::{Book, HOURS, dec, rules};
use super::{SALE, flat, percent, tiers};

/// One thing that changes in an hour.
#[derive(Debug, Clone)]
enum Change {
    Count(u8, i16, u16),
    Sell(u8, i16, u16),
    /// Of a sale, by its number: takes a part of it back; gives it again where it is negative.
    Refund(usize, i32),
    Undo(usize),
    PutUnder(usize, i16),
    Forget(usize),
}

/// The first of those for sales.
const FIRST_FOR_SALES: i16 = 4;

/// Rules that meet every branch.
fn all_rules() -> Vec<Rule> {
    let cop = Some(Currency::Cop);
    let (day, month) = (Period::Day, Period::Month);
    vec![
        flat(Basis::ThousandImpressions, "333.33", Currency::Cop),
        Rule { cap: Some(dec("5")), period: day, ..flat(Basis::ThousandImpressions, "7.77", Currency::Usd) },
        Rule {
            tiers: tiers(&[("100", "0.55"), ("900", "0.999")]),
            period: month,
            ..flat(Basis::Click, "1.11", Currency::Cop)
        },
        percent("7.35"),
        Rule { cap: Some(dec("11.11")), period: day, currency: cop, ..percent("7.5") },
        Rule {
            cap: Some(dec("20")),
            tiers: tiers(&[("90.5", "5.55"), ("200", "1")]),
            scale: Scale::Retroactive,
            currency: cop,
            ..percent("3")
        },
        flat(SALE, "10.01", Currency::Usd),
        Rule { tiers: tiers(&[("3", "0.5")]), period: month, ..flat(SALE, "0.33", Currency::Usd) },
        Rule { cap: Some(dec("7.5")), ..flat(SALE, "5", Currency::Cop) },
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let for_sales = || FIRST_FOR_SALES..=9;
    prop_oneof![
        3 => (0..HOURS, 1..FIRST_FOR_SALES, 1u16..400).prop_map(|(hour, rule, more)| Change::Count(hour, rule, more)),
        4 => (0..HOURS, for_sales(), 0u16..20_000).prop_map(|(hour, rule, cents)| Change::Sell(hour, rule, cents)),
        3 => (any::<usize>(), -5_000i32..15_000).prop_map(|(sale, cents)| Change::Refund(sale, cents)),
        1 => any::<usize>().prop_map(Change::Undo),
        2 => (any::<usize>(), for_sales()).prop_map(|(sale, rule)| Change::PutUnder(sale, rule)),
        1 => any::<usize>().prop_map(Change::Forget),
    ]
}

/// Makes a change, and tells in which hour.
fn make(book: &mut Book, change: &Change, number: usize) -> u8 {
    if let Change::Count(hour, rule, more) = change {
        book.count(*hour, *rule, (*more).into());
        return *hour;
    }
    if let Change::Sell(hour, rule, cents) = change {
        book.sell(&format!("s-{number}"), *hour, &format!("{}.{:02}", cents / 100, cents % 100), *rule);
        return *hour;
    }
    if book.sold.is_empty() {
        return 0;
    }
    let (Change::Refund(sale, _) | Change::Undo(sale) | Change::PutUnder(sale, _) | Change::Forget(sale)) = change
    else {
        return 0;
    };
    let sold = &book.sold[sale % book.sold.len()];
    let (id, hour) = (sold.id.clone(), hour_of(sold));
    match change {
        Change::Refund(_, cents) => book.refund(&id, Decimal::new((*cents).into(), 2)),
        Change::Undo(_) => book.undo(&id),
        Change::PutUnder(_, rule) => book.put_under(&id, *rule),
        _ => book.forget(&id),
    }
    hour
}

fn hour_of(sold: &Sold) -> u8 {
    ((sold.event_time.micros() - super::hour(0).micros()) / 3_600_000_000) as u8
}

type Worths = BTreeMap<(Subject, Currency), (Decimal, Decimal)>;

fn rounded(exact: Decimal) -> Decimal {
    exact.round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven)
}

/// What a conversion earns, and what of it goes back, by itself.
fn alone(rule: &Rule, sold: &Sold) -> (Currency, Decimal, Decimal) {
    let amount = sold.amount.amount();
    let (currency, earned) = match rule.pay {
        Pay::Percent(percent) => (sold.amount.currency(), rounded(amount * percent / Decimal::ONE_HUNDRED)),
        Pay::Flat(money) => (money.currency(), rounded(money.amount())),
    };
    let reversed = match (sold.undone, amount.is_zero()) {
        (true, _) => earned,
        (false, true) => Decimal::ZERO,
        (false, false) => rounded(earned * sold.refunded / amount),
    };
    (currency, earned, reversed)
}

/// What everything is worth: earned and reversed of every commission that is worth anything.
fn worths(book: &Book) -> Worths {
    let mut worths = Worths::new();
    let mut quantities: BTreeMap<(Subject, Currency), (RuleKey, Decimal)> = BTreeMap::new();
    let mut add = |rule: RuleKey, at, currency, quantity: Decimal| {
        let subject = Subject::Period { start: book.rule(rule).period.start(at), rule };
        quantities.entry((subject, currency)).or_insert((rule, Decimal::ZERO)).1 += quantity;
    };
    for ((hour, rule), quantity) in &book.counted {
        add(*rule, *hour, book.rule(*rule).currency.unwrap(), *quantity);
    }
    for sold in &book.sold {
        let rule = book.rule(sold.rule);
        let (currency, earned, reversed) = alone(rule, sold);
        if rule.tiers.is_empty() {
            let subject = Subject::Conversion { at: sold.event_time, id: sold.id.clone() };
            worths.insert((subject, currency), (earned, reversed));
            if rule.cap.is_some() {
                add(sold.rule, sold.event_time, currency, earned - reversed);
            }
        } else if matches!(rule.pay, Pay::Percent(_)) {
            add(sold.rule, sold.event_time, currency, sold.amount.amount() - sold.refunded);
        } else {
            add(sold.rule, sold.event_time, currency, Decimal::from(u8::from(!sold.undone)));
        }
    }
    for (key, (rule, quantity)) in quantities {
        let rule = book.rule(rule);
        let is_of_cap = rule.tiers.is_empty() && rule.basis.conversion().is_some();
        let earned = match is_of_cap {
            true => quantity.min(rule.cap.unwrap()) - quantity,
            false => rounded(rule.capped(rule.accrued(quantity).unwrap())),
        };
        worths.insert(key, (earned, Decimal::ZERO));
    }
    worths.retain(|_, (earned, reversed)| !earned.is_zero() || !reversed.is_zero());
    worths
}

/// What was posted of it.
fn posted(book: &Book) -> Worths {
    let sums = book.commissions().map(|it| {
        let sum = |concept| book.sum(it.number.unwrap(), concept);
        ((it.subject.clone(), it.currency), (sum(Concept::Commission), sum(Concept::Reversal)))
    });
    sums.filter(|(_, (earned, reversed))| !earned.is_zero() || !reversed.is_zero()).collect()
}

/// Cases; `ALPES_CASES` asks for more (`make drill` does).
fn cases() -> Config {
    let cases = std::env::var("ALPES_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100);
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn postings_sum_up_to_what_everything_is_worth(changes in prop::collection::vec((change(), any::<bool>()), 1..60)) {
        let mut book = Book::new(rules(all_rules()));
        let mut marked = Vec::new();
        for (number, (change, settles)) in changes.iter().enumerate() {
            marked.push(make(&mut book, change, number));
            if *settles || number + 1 == changes.len() {
                book.settle(&std::mem::take(&mut marked), Cause::Conversion);
                prop_assert_eq!(posted(&book), worths(&book));
            }
        }
        prop_assert_eq!(book.settle_all(), vec![]);
    }
}

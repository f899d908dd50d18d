//! What is posted of a commission: exact sums, whatever comes in whatever portions.

#![allow(clippy::unwrap_used)]

mod book;
mod property;

use book::{Book, HOURS, dec, hour, rules};
use operators::commission::Overflow;
use schemas::commission::{Cause, Concept, Posting, RuleKey};
use schemas::terms::{Basis, Pay, Period, Rule, Scale, Tier};
use schemas::{ConversionKind, Currency, Money};

const SALE: Basis = Basis::Conversion(ConversionKind::Sale);

fn percent(percent: &str) -> Rule {
    Rule::plain(SALE, Pay::Percent(dec(percent)))
}

fn flat(basis: Basis, amount: &str, currency: Currency) -> Rule {
    Rule::plain(basis, Pay::Flat(Money::parse(amount, currency).unwrap()))
}

fn tiers(tiers: &[(&str, &str)]) -> Vec<Tier> {
    tiers.iter().map(|(since, rate)| Tier { since: dec(since), rate: dec(rate) }).collect()
}

/// Totals before and after, as text: what there is to read of a posting.
fn steps(postings: &[Posting]) -> Vec<(Concept, String, String)> {
    let text = |total: rust_decimal::Decimal| total.normalize().to_string();
    postings.iter().map(|it| (it.concept, text(it.total_before), text(it.total_after))).collect()
}

fn earned(before: &str, after: &str) -> (Concept, String, String) {
    (Concept::Commission, before.into(), after.into())
}

fn reversed(before: &str, after: &str) -> (Concept, String, String) {
    (Concept::Reversal, before.into(), after.into())
}

#[test]
fn a_percentage_is_rounded_half_to_even_at_the_cent() {
    for (amount, rate, expected) in [
        ("0.10", "5", "0"),      // 0.005
        ("0.30", "5", "0.02"),   // 0.015
        ("0.50", "5", "0.02"),   // 0.025
        ("0.70", "5", "0.04"),   // 0.035
        ("0.11", "5", "0.01"),   // 0.0055
        ("0.09", "5", "0"),      // 0.0045
        ("19.99", "7.5", "1.5"), // 1.49925
        ("1", "0.4999", "0"),
        ("1", "0.5001", "0.01"),
        ("999999999999.99", "100", "999999999999.99"),
    ] {
        let mut book = Book::new(rules([percent(rate)]));
        book.sell("s", 0, amount, 1);
        book.settle_all();
        assert_eq!(book.net(Currency::Cop), dec(expected), "{rate} % of {amount}");
    }
}

#[test]
fn no_remainder_is_lost_over_many_small_batches() {
    for (rate, batch, batches) in [("1.25", 3u32, 200), ("0.01", 1, 400), ("333.33", 7, 100), ("7.77", 1, 1)] {
        let mut book = Book::new(rules([flat(Basis::ThousandImpressions, rate, Currency::Usd)]));
        for _ in 0..batches {
            book.count(0, 1, batch.into());
            assert!(book.settle_all().iter().all(|it| it.total_after > it.total_before));
        }
        let exact = dec(rate) * dec("0.001") * rust_decimal::Decimal::from(batch * batches);
        let expected = exact.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointNearestEven);
        assert_eq!(book.net(Currency::Usd), expected, "{batches} times {batch} at {rate}");
    }
}

#[test]
fn what_is_refunded_entirely_comes_to_nothing() {
    for (amount, parts) in [
        ("100", &["100"][..]),
        ("100", &["33.33", "33.33", "33.34"]),
        ("0.07", &["0.01", "0.01", "0.01", "0.01", "0.01", "0.01", "0.01"]),
        ("19.99", &["0.01", "6.66", "13.32"]),
        ("99999.99", &["12345.67", "0.02", "87654.3"]),
    ] {
        for rule in [percent("7.35"), percent("33.3333"), flat(SALE, "10.01", Currency::Cop)] {
            let mut book = Book::new(rules([rule]));
            book.sell("s", 0, amount, 1);
            book.settle_all();
            for part in parts {
                book.refund("s", dec(part));
                book.settle_all();
            }
            assert_eq!(book.net(Currency::Cop), dec("0"), "{amount} in {parts:?}");
        }
    }
}

#[test]
fn a_part_takes_back_its_part() {
    let cases = [
        ("100", "33.33", "7.35", "2.45"), // 2.449755
        ("3", "1", "0.22", "0.07"),       // a third of 0.22
        ("100", "0.01", "7.35", "0"),
        ("100", "250", "7.35", "7.35"), // too much: all of it
    ];
    for (amount, part, earns, goes_back) in cases {
        let mut book = Book::new(rules([percent("7.35")]));
        book.sell("s", 0, amount, 1);
        book.settle_all();
        book.refund("s", dec(part));
        let (expected, posted) = (reversed("0", goes_back), steps(&book.settle_all()));
        assert_eq!(posted, if goes_back == "0" { vec![] } else { vec![expected] }, "{part} of {amount}");
        assert_eq!(book.net(Currency::Cop), dec(earns) - dec(goes_back));
        book.refund("s", -dec(part));
        book.settle_all();
        assert_eq!(book.net(Currency::Cop), dec(earns), "{part} of {amount} given back");
    }
}

#[test]
fn a_conversion_without_an_amount_goes_back_as_a_whole() {
    let mut book = Book::new(rules([flat(SALE, "10", Currency::Usd)]));
    book.sell("s", 0, "0", 1);
    assert_eq!(steps(&book.settle_all()), [earned("0", "10")]);
    book.undo("s");
    let posted = book.settle_all();
    assert_eq!((steps(&posted), posted[0].cause), (vec![reversed("0", "10")], Cause::Reversal));
    assert_eq!(book.net(Currency::Usd), dec("0"));
}

#[test]
fn other_terms_post_the_difference() {
    let mut book = Book::new(rules([percent("7"), percent("5.5")]));
    book.sell("s", 0, "100", 1);
    book.settle_all();
    book.put_under("s", 2);
    let posted = book.settle_all();
    assert_eq!((steps(&posted), posted[0].cause), (vec![earned("7", "5.5")], Cause::Terms));
    assert_eq!(book.commissions().count(), 1, "it is the commission of the same conversion");
}

#[test]
fn terms_in_another_currency_take_one_line_back_and_post_another() {
    let mut book = Book::new(rules([percent("7"), flat(SALE, "3", Currency::Usd)]));
    book.sell("s", 0, "100", 1);
    book.refund("s", dec("50"));
    assert_eq!(steps(&book.settle_all()), [earned("0", "7"), reversed("0", "3.5")]);
    book.put_under("s", 2);
    let mut posted = steps(&book.settle_all());
    posted.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(posted, [earned("0", "3"), reversed("0", "1.5"), reversed("3.5", "0"), earned("7", "0")]);
    assert_eq!((book.net(Currency::Cop), book.net(Currency::Usd)), (dec("0"), dec("1.5")));
}

#[test]
fn no_rule_any_more_takes_everything_back() {
    let mut book = Book::new(rules([percent("7")]));
    book.sell("s", 0, "100", 1);
    book.refund("s", dec("50"));
    book.settle_all();
    book.forget("s");
    let posted = book.settle_all();
    assert_eq!(steps(&posted), [earned("7", "0"), reversed("3.5", "0")]);
    assert!(posted.iter().all(|it| it.cause == Cause::Terms), "nobody gave anything back");
}

#[test]
fn a_rule_that_is_replaced_in_the_middle_of_a_period_goes_down_and_the_other_up() {
    let click = |rate: &str| Rule { period: Period::Month, ..flat(Basis::Click, rate, Currency::Cop) };
    let mut book = Book::new(rules([click("10"), click("15")]));
    (0..3).for_each(|hour| book.count(hour, 1, dec("4")));
    assert_eq!(steps(&book.settle_all()), [earned("0", "120")]);
    // From the second hour on, the other rule holds.
    for hour in 1..3 {
        book.count(hour, 1, dec("-4"));
        book.count(hour, 2, dec("4"));
    }
    let posted = book.settle(&[1, 2], Cause::Terms);
    assert_eq!(steps(&posted), [earned("120", "40"), earned("0", "120")]);
    assert!(posted.iter().all(|it| it.cause == Cause::Terms && (it.event_from, it.event_to) == (hour(1), hour(3))));
}

#[test]
fn what_is_beyond_a_cap_waits_for_room() {
    let rule = Rule { cap: Some(dec("10")), period: Period::Day, currency: Some(Currency::Cop), ..percent("7") };
    let mut book = Book::new(rules([rule]));
    book.sell("a", 0, "100", 1);
    assert_eq!(steps(&book.settle_all()), [earned("0", "7")], "below the cap there is nothing to take away");
    book.sell("b", 1, "100", 1);
    assert_eq!(steps(&book.settle_all()), [earned("0", "7"), earned("0", "-4")]);
    assert_eq!(book.net(Currency::Cop), dec("10"));
    book.refund("a", dec("50"));
    assert_eq!(steps(&book.settle_all()), [reversed("0", "3.5"), earned("-4", "-0.5")]);
    assert_eq!(book.net(Currency::Cop), dec("10"));
    book.undo("a");
    assert_eq!(steps(&book.settle_all()), [reversed("3.5", "7"), earned("-0.5", "0")]);
    assert_eq!(book.net(Currency::Cop), dec("7"), "below the cap again");
    book.sell("tomorrow", 24, "100", 1);
    book.settle_all();
    assert_eq!(book.net(Currency::Cop), dec("14"), "every day has its own cap");
}

#[test]
fn a_retroactive_tier_is_left_again_by_a_reversal() {
    let bounds = Rule { currency: Some(Currency::Cop), scale: Scale::Retroactive, ..percent("3") };
    let mut book = Book::new(rules([Rule { tiers: tiers(&[("150", "5")]), ..bounds }]));
    book.sell("a", 0, "100", 1);
    assert_eq!(steps(&book.settle_all()), [earned("0", "3")]);
    book.sell("b", 1, "60", 1);
    assert_eq!(steps(&book.settle_all()), [earned("3", "8")]);
    book.refund("a", dec("10.01"));
    let posted = book.settle(&[0], Cause::Reversal);
    assert_eq!((steps(&posted), posted[0].cause), (vec![earned("8", "4.5")], Cause::Reversal));
}

#[test]
fn marginal_tiers_pay_every_part_at_its_rate() {
    let rule = Rule { tiers: tiers(&[("10", "0.5"), ("20", "0.25")]), ..flat(Basis::Click, "1", Currency::Usd) };
    let mut book = Book::new(rules([rule]));
    for (more, total) in [("9", "9"), ("2", "10.5"), ("20", "17.75"), ("-30", "1")] {
        book.count(0, 1, dec(more));
        book.settle_all();
        assert_eq!(book.net(Currency::Usd), dec(total));
    }
}

#[test]
fn nothing_is_posted_where_nothing_has_changed() {
    let capped = Rule { cap: Some(dec("1")), currency: Some(Currency::Cop), ..percent("7") };
    let mut book = Book::new(rules([flat(Basis::Click, "1", Currency::Cop), percent("7"), capped]));
    book.count(0, 1, dec("5"));
    book.sell("a", 0, "100", 2);
    book.sell("b", 0, "100", 3);
    assert!(!book.settle_all().is_empty());
    for cause in Cause::ALL {
        assert_eq!(book.settle(&[0], cause), []);
    }
}

#[test]
fn postings_of_windows_are_about_what_is_closed() {
    let mut book = Book::new(rules([flat(Basis::Click, "1", Currency::Cop)]));
    book.closed_through = hour(1).minus(std::time::Duration::from_secs(600));
    book.count(0, 1, dec("5"));
    let posted = book.settle_all();
    assert_eq!((posted[0].event_from, posted[0].event_to), (hour(0), book.closed_through));
}

#[test]
fn an_overflow_says_whose_it_is() {
    let mut book = Book::new(rules([flat(Basis::Click, "999999999999", Currency::Cop)]));
    book.count(0, 1, rust_decimal::Decimal::MAX);
    let overflow = book.try_settle(&[0], Cause::Windows).unwrap_err();
    assert_eq!(overflow, Overflow { campaign: book::CAMPAIGN, influencer: book::INFLUENCER });
    let text = overflow.to_string();
    assert!(text.contains("influencer 2") && text.contains("campaign 1"), "{text}");
    assert!(book.postings.is_empty());
}

/// Not reached by what is read, which holds every rule that it names; but it must not be taken for nothing.
#[test]
fn an_unknown_rule_is_an_error() {
    let mut book = Book::new(rules([]));
    book.sell("s", 0, "1", 1);
    assert!(book.try_settle(&(0..HOURS).collect::<Vec<_>>(), Cause::Conversion).is_err());
    assert_eq!(book.sold[0].rule, RuleKey { terms: 1, rule: 1 });
}

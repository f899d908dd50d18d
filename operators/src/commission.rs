//! `Commission`: what is worth what now, less what was posted before, is to be posted.
//!
//! With E the exact accrual of a commission, f its tiers and cap and R the rounding, what is posted is
//! R(f(E after)) − R(f(E before)). So postings sum up to R(f(E)) in whatever order and portions things come, no remainder
//! is lost, and a correction is a posting like any other.

use rust_decimal::Decimal;
use schemas::commission::{
    Accrual, Cause, Commission as Settlement, Concept, Posting, RuleKey, Settled, Sold, Subject, Unsettled,
};
use schemas::money::{round_commission, round_refund};
use schemas::terms::{Pay, Rule};
use schemas::time::HOUR;
use schemas::{Currency, Timestamp};
use std::collections::BTreeMap;

use crate::{Operator, Output};

/// Settles what has changed, influencer by influencer.
#[derive(Debug, Default)]
pub struct Commission;

impl Commission {
    /// Stateless: what was posted before comes with what is to be settled.
    pub const fn new() -> Self {
        Self
    }
}

/// A sum of money that has more than 28 digits: somebody means something else by these terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the commissions of influencer {influencer} in campaign {campaign} (their numbers) have more than 28 digits")]
pub struct Overflow {
    /// The campaign's number.
    pub campaign: i32,
    /// The influencer's number.
    pub influencer: i32,
}

impl Operator for Commission {
    type In = Unsettled;
    type Out = Result<Settled, Overflow>;

    fn on_item(&mut self, item: Unsettled, out: &mut Output<'_, Self::Out>) {
        let overflow = Overflow { campaign: item.campaign, influencer: item.influencer };
        out.emit(settle(&item).ok_or(overflow));
    }
}

type Key = (Subject, Currency);
type AccrualKey = (Timestamp, RuleKey, Currency);

/// What a commission is worth.
#[derive(Debug, Clone, Copy)]
struct Worth {
    rule: RuleKey,
    quantity: Decimal,
    exact: Decimal,
    earned: Decimal,
    refunded: Decimal,
    exact_reversed: Decimal,
    reversed: Decimal,
}

/// What is worth what now, and what is to be posted; none if a sum overflows.
pub fn settle(unsettled: &Unsettled) -> Option<Settled> {
    let book: BTreeMap<Key, &Settlement> =
        unsettled.commissions.iter().map(|it| ((it.subject.clone(), it.currency), it)).collect();
    let conversions = conversions(unsettled)?;
    let accruals = changed(&unsettled.accruals, accrue(unsettled, &conversions)?)?;
    let periods = periods(unsettled, &book, &accruals)?;
    let gone = book.iter().filter(|(key, _)| is_conversion(key) && !conversions.contains_key(*key));
    let gone: Vec<_> = gone.map(|(key, before)| (key.clone(), worth_nothing(before))).collect();
    let accruals: Vec<Accrual> = accruals.into_iter().map(|change| change.after).collect();
    let (campaign, influencer) = (unsettled.campaign, unsettled.influencer);
    let mut settled = Settled { campaign, influencer, accruals, commissions: Vec::new(), postings: Vec::new() };
    for (key, worth) in conversions.into_iter().chain(gone) {
        let (before, at) = (book.get(&key).copied(), event_time(&key.0));
        let cause = if before.is_none() { Cause::Conversion } else { Cause::Terms };
        post(&mut settled, key, before, worth, (at, at), cause);
    }
    for (key, (worth, span, cause)) in periods {
        let before = book.get(&key).copied();
        post(&mut settled, key, before, worth, span, cause);
    }
    Some(settled)
}

fn is_conversion((subject, _): &Key) -> bool {
    matches!(subject, Subject::Conversion { .. })
}

const fn event_time(subject: &Subject) -> Timestamp {
    match subject {
        Subject::Conversion { at, .. } => *at,
        Subject::Period { start, .. } => *start,
    }
}

/// No rule is for it any more.
const fn worth_nothing(before: &Settlement) -> Worth {
    let nothing = Decimal::ZERO;
    Worth {
        rule: before.rule,
        quantity: before.quantity,
        exact: nothing,
        earned: nothing,
        refunded: nothing,
        exact_reversed: nothing,
        reversed: nothing,
    }
}

/// What the conversions that are rounded one by one are worth.
fn conversions(unsettled: &Unsettled) -> Option<BTreeMap<Key, Worth>> {
    let mut worths = BTreeMap::new();
    for sold in &unsettled.sold {
        let rule = unsettled.rules.get(&sold.rule)?;
        if rule.is_per_conversion() {
            let subject = Subject::Conversion { at: sold.event_time, id: sold.id.clone() };
            worths.insert((subject, currency(rule, sold)), conversion(rule, sold)?);
        }
    }
    Some(worths)
}

fn currency(rule: &Rule, sold: &Sold) -> Currency {
    rule.currency.unwrap_or(sold.amount.currency())
}

fn conversion(rule: &Rule, sold: &Sold) -> Option<Worth> {
    let (currency, amount) = (currency(rule, sold), sold.amount.amount());
    let exact = rule.of_conversion(amount)?;
    let earned = round_commission(exact, currency);
    let exact_reversed = match sold.undone {
        true => earned,
        false if amount.is_zero() => Decimal::ZERO,
        false => earned.checked_mul(sold.refunded)?.checked_div(amount)?,
    };
    let reversed = round_refund(exact_reversed, currency);
    Some(Worth { rule: sold.rule, quantity: amount, exact, earned, refunded: sold.refunded, exact_reversed, reversed })
}

/// What the hours bring.
fn accrue(unsettled: &Unsettled, conversions: &BTreeMap<Key, Worth>) -> Option<BTreeMap<AccrualKey, Accrual>> {
    let mut accruals = BTreeMap::new();
    for counted in &unsettled.counted {
        let rule = unsettled.rules.get(&counted.rule)?;
        let Some(currency) = rule.currency else { continue };
        let amount = rule.at_first_rate(counted.quantity)?;
        add(&mut accruals, (counted.hour, counted.rule, currency), counted.quantity, amount)?;
    }
    for sold in &unsettled.sold {
        let rule = unsettled.rules.get(&sold.rule)?;
        let currency = currency(rule, sold);
        let subject = Subject::Conversion { at: sold.event_time, id: sold.id.clone() };
        let (quantity, amount) = match conversions.get(&(subject, currency)) {
            Some(worth) => (worth.earned.checked_sub(worth.reversed)?, worth.earned),
            None => (left(rule, sold)?, round_commission(rule.of_conversion(sold.amount.amount())?, currency)),
        };
        add(&mut accruals, (sold.event_time.floor(HOUR), sold.rule, currency), quantity, amount)?;
    }
    Some(accruals)
}

/// What a conversion adds to the quantity that tiers look at: a part that went back counts for a percentage; for a flat
/// amount, a conversion counts until all of it has gone back.
fn left(rule: &Rule, sold: &Sold) -> Option<Decimal> {
    match rule.pay {
        Pay::Percent(_) => sold.amount.amount().checked_sub(sold.refunded),
        Pay::Flat(_) => Some(if sold.undone { Decimal::ZERO } else { Decimal::ONE }),
    }
}

fn add(
    accruals: &mut BTreeMap<AccrualKey, Accrual>,
    key: AccrualKey,
    quantity: Decimal,
    amount: Decimal,
) -> Option<()> {
    let (hour, rule, currency) = key;
    let empty = Accrual { hour, rule, currency, quantity: Decimal::ZERO, amount: Decimal::ZERO };
    let accrual = accruals.entry(key).or_insert(empty);
    accrual.quantity = accrual.quantity.checked_add(quantity)?;
    accrual.amount = accrual.amount.checked_add(amount)?;
    Some(())
}

/// What an hour brings now, and how much more than before its quantity is.
struct Change {
    after: Accrual,
    more: Decimal,
}

/// The accruals that are not what they were.
fn changed(before: &[Accrual], mut after: BTreeMap<AccrualKey, Accrual>) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    for before in before {
        let gone = Accrual { quantity: Decimal::ZERO, amount: Decimal::ZERO, ..*before };
        let after = after.remove(&(before.hour, before.rule, before.currency)).unwrap_or(gone);
        if after != *before {
            changes.push(Change { after, more: after.quantity.checked_sub(before.quantity)? });
        }
    }
    changes.extend(after.into_values().map(|after| Change { after, more: after.quantity }));
    Some(changes)
}

type Span = (Timestamp, Timestamp);

/// What the rules whose periods have changed are worth in them, of which span of event time the change is, and why.
fn periods(
    unsettled: &Unsettled,
    book: &BTreeMap<Key, &Settlement>,
    changes: &[Change],
) -> Option<BTreeMap<Key, (Worth, Span, Cause)>> {
    let mut periods: BTreeMap<Key, (Decimal, Span, Cause)> = BTreeMap::new();
    for Change { after, more } in changes.iter().filter(|change| !change.more.is_zero()) {
        let rule = unsettled.rules.get(&after.rule)?;
        if rule.is_per_conversion() && rule.cap.is_none() {
            continue;
        }
        let subject = Subject::Period { start: rule.period.start(after.hour), rule: after.rule };
        let key = (subject, after.currency);
        let (span, cause) = (span(unsettled, rule, after.hour), cause(unsettled, after.hour));
        let period = periods.entry(key).or_insert((Decimal::ZERO, span, cause));
        let (more_so_far, so_far, why) = *period;
        let span = (so_far.0.min(span.0), so_far.1.max(span.1));
        *period = (more_so_far.checked_add(*more)?, span, why.max(cause));
    }
    let mut worths = BTreeMap::new();
    for (key, (more, span, cause)) in periods {
        let Subject::Period { rule, .. } = key.0 else { continue };
        let before = book.get(&key).map_or(Decimal::ZERO, |it| it.quantity);
        let worth = period(unsettled.rules.get(&rule)?, rule, key.1, before.checked_add(more)?)?;
        worths.insert(key, (worth, span, cause));
    }
    Some(worths)
}

/// What a quantity is worth under a rule. Where conversions are rounded one by one the quantity is what they bring, and
/// what is left to post is only what the cap takes away.
fn period(rule: &Rule, key: RuleKey, currency: Currency, quantity: Decimal) -> Option<Worth> {
    let exact = match rule.is_per_conversion() {
        true => rule.capped(quantity).checked_sub(quantity)?,
        false => rule.capped(rule.accrued(quantity)?),
    };
    let (earned, nothing) = (round_commission(exact, currency), Decimal::ZERO);
    Some(Worth { rule: key, quantity, exact, earned, refunded: nothing, exact_reversed: nothing, reversed: nothing })
}

/// The part of an hour that is settled: of windows what is closed.
fn span(unsettled: &Unsettled, rule: &Rule, hour: Timestamp) -> Span {
    let end = hour.plus(HOUR);
    let of_windows = rule.basis.conversion().is_none();
    (hour, if of_windows { end.min(unsettled.closed_through).max(hour) } else { end })
}

fn cause(unsettled: &Unsettled, hour: Timestamp) -> Cause {
    let causes = unsettled.hours.iter().filter(|(marked, _)| *marked == hour).map(|(_, cause)| *cause);
    causes.max().unwrap_or(Cause::Windows)
}

/// Notes what a commission is worth now, and the postings that take the ledger there.
fn post(
    settled: &mut Settled,
    (subject, currency): Key,
    before: Option<&Settlement>,
    worth: Worth,
    (event_from, event_to): Span,
    cause: Cause,
) {
    let Worth { rule, quantity, earned, refunded, reversed, .. } = worth;
    let number = before.and_then(|before| before.number);
    let after = Settlement { number, subject, currency, rule, quantity, earned, refunded, reversed };
    let is_new_and_nothing =
        before.is_none() && earned.is_zero() && matches!(after.subject, Subject::Conversion { .. });
    if before == Some(&after) || is_new_and_nothing {
        return;
    }
    let nothing = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    let (quantity_before, earned_before, refunded_before, reversed_before) =
        before.map_or(nothing, |it| (it.quantity, it.earned, it.refunded, it.reversed));
    let commission = settled.commissions.len();
    let earning = Posting {
        commission,
        concept: Concept::Commission,
        cause,
        event_from,
        event_to,
        quantity_before,
        quantity_after: quantity,
        exact_after: worth.exact,
        total_before: earned_before,
        total_after: earned,
    };
    let reversal = Posting {
        concept: Concept::Reversal,
        // Where less is earned, less goes back: that is no reversal's doing.
        cause: if before.is_some() && earned != earned_before { cause } else { Cause::Reversal },
        quantity_before: refunded_before,
        quantity_after: refunded,
        exact_after: worth.exact_reversed,
        total_before: reversed_before,
        total_after: reversed,
        ..earning.clone()
    };
    settled.commissions.push(after);
    settled.postings.extend([earning, reversal].into_iter().filter(|it| it.total_before != it.total_after));
}

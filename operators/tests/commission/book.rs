//! A ledger in memory: what is counted and sold, and what was posted of it.

use operators::commission::Overflow;
use operators::{Batch, Commission as Operation, Operator};
use rust_decimal::Decimal;
use schemas::commission::{
    Accrual, Cause, Commission, Concept, Counted, Posting, RuleKey, Rules, Settled, Sold, Subject, Unsettled,
};
use schemas::terms::{Period, Rule};
use schemas::{Currency, Money, Position, Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const CAMPAIGN: i32 = 1;
pub(crate) const INFLUENCER: i32 = 2;
/// Two days, of two months.
pub(crate) const HOURS: u8 = 48;

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn hour(number: u8) -> Timestamp {
    Timestamp::parse("2026-01-31T00:00:00Z").unwrap().plus(Duration::from_secs(3_600 * u64::from(number)))
}

const fn key(rule: i16) -> RuleKey {
    RuleKey { terms: 1, rule }
}

/// Numbered from 1.
pub(crate) fn rules(rules: impl IntoIterator<Item = Rule>) -> Rules {
    (1..).map(key).zip(rules.into_iter().map(Arc::new)).collect()
}

#[derive(Debug)]
pub(crate) struct Book {
    rules: Arc<Rules>,
    pub(crate) closed_through: Timestamp,
    pub(crate) counted: BTreeMap<(Timestamp, RuleKey), Decimal>,
    pub(crate) sold: Vec<Sold>,
    accruals: BTreeMap<(Timestamp, RuleKey, Currency), Accrual>,
    commissions: BTreeMap<i64, Commission>,
    /// All postings, with the numbers of their commissions.
    pub(crate) postings: Vec<(i64, Posting)>,
}

impl Book {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules: Arc::new(rules),
            closed_through: hour(HOURS),
            counted: BTreeMap::new(),
            sold: Vec::new(),
            accruals: BTreeMap::new(),
            commissions: BTreeMap::new(),
            postings: Vec::new(),
        }
    }

    pub(crate) fn rule(&self, key: RuleKey) -> &Rule {
        &self.rules[&key]
    }

    pub(crate) fn commissions(&self) -> impl Iterator<Item = &Commission> {
        self.commissions.values()
    }

    /// More impressions or clicks under a rule, or fewer.
    pub(crate) fn count(&mut self, at: u8, rule: i16, more: Decimal) {
        *self.counted.entry((hour(at), key(rule))).or_default() += more;
    }

    /// A sale in pesos.
    pub(crate) fn sell(&mut self, id: &str, at: u8, amount: &str, rule: i16) {
        let event_time = hour(at).plus(Duration::from_secs(61));
        let amount = Money::parse(amount, Currency::Cop).unwrap();
        let refunded = Decimal::ZERO;
        self.sold.push(Sold { id: id.into(), event_time, amount, refunded, undone: false, rule: key(rule) });
    }

    fn sale(&mut self, id: &str) -> &mut Sold {
        self.sold.iter_mut().find(|sold| &*sold.id == id).unwrap()
    }

    /// Takes a part of a sale back, or gives it again; all of it at most, and nothing at least.
    pub(crate) fn refund(&mut self, id: &str, part: Decimal) {
        let sold = self.sale(id);
        sold.refunded = (sold.refunded + part).min(sold.amount.amount()).max(Decimal::ZERO);
        sold.undone = sold.refunded == sold.amount.amount();
    }

    /// Takes all of it back.
    pub(crate) fn undo(&mut self, id: &str) {
        let sold = self.sale(id);
        (sold.refunded, sold.undone) = (sold.amount.amount(), true);
    }

    /// Another rule is for it now.
    pub(crate) fn put_under(&mut self, id: &str, rule: i16) {
        self.sale(id).rule = key(rule);
    }

    /// No rule is for it any more.
    pub(crate) fn forget(&mut self, id: &str) {
        self.sold.retain(|sold| &*sold.id != id);
    }

    pub(crate) fn settle_all(&mut self) -> Vec<Posting> {
        self.settle(&(0..HOURS).collect::<Vec<_>>(), Cause::Windows)
    }

    pub(crate) fn settle(&mut self, hours: &[u8], cause: Cause) -> Vec<Posting> {
        self.try_settle(hours, cause).unwrap()
    }

    /// Settles some hours, as they are read from the tables: all of these hours, and the periods that they lie in.
    pub(crate) fn try_settle(&mut self, hours: &[u8], cause: Cause) -> Result<Vec<Posting>, Overflow> {
        let hours: BTreeSet<Timestamp> = hours.iter().copied().map(hour).collect();
        let unsettled = self.unsettled(&hours, cause);
        let span = Span { after: Position::START, through: Position::START, messages: 0 };
        let mut settled = Operation::new().on_batch(Batch::new(vec![unsettled], span)).items;
        let settled = settled.pop().unwrap()?;
        let postings = settled.postings.clone();
        self.write(settled);
        Ok(postings)
    }

    fn unsettled(&self, hours: &BTreeSet<Timestamp>, cause: Cause) -> Unsettled {
        let is_asked = |at: Timestamp| hours.contains(&at.floor(Duration::from_secs(3_600)));
        let periods: BTreeSet<Timestamp> =
            hours.iter().flat_map(|hour| Period::ALL.map(|period| period.start(*hour))).collect();
        let counted = self.counted.iter().filter(|((hour, _), quantity)| is_asked(*hour) && !quantity.is_zero());
        let commissions = self.commissions().filter(|commission| match &commission.subject {
            Subject::Conversion { at, .. } => is_asked(*at),
            Subject::Period { start, .. } => periods.contains(start),
        });
        Unsettled {
            campaign: CAMPAIGN,
            influencer: INFLUENCER,
            hours: hours.iter().map(|hour| (*hour, cause)).collect(),
            closed_through: self.closed_through,
            rules: self.rules.clone(),
            counted: counted
                .map(|((hour, rule), quantity)| Counted { hour: *hour, rule: *rule, quantity: *quantity })
                .collect(),
            sold: self.sold.iter().filter(|sold| is_asked(sold.event_time)).cloned().collect(),
            accruals: self.accruals.values().filter(|accrual| is_asked(accrual.hour)).copied().collect(),
            commissions: commissions.cloned().collect(),
        }
    }

    fn write(&mut self, settled: Settled) {
        for accrual in settled.accruals {
            self.accruals.insert((accrual.hour, accrual.rule, accrual.currency), accrual);
        }
        let mut numbers = Vec::new();
        for mut commission in settled.commissions {
            let number = commission.number.unwrap_or(self.commissions.len() as i64);
            commission.number = Some(number);
            self.commissions.insert(number, commission);
            numbers.push(number);
        }
        for posting in settled.postings {
            let number = numbers[posting.commission];
            assert!(!posting.in_favour().is_zero(), "{posting:?}");
            assert_eq!(posting.total_before, self.sum(number, posting.concept), "{posting:?}");
            self.postings.push((number, posting));
        }
    }

    /// What was posted for a commission.
    pub(crate) fn sum(&self, number: i64, concept: Concept) -> Decimal {
        let postings = self.postings.iter().filter(|(of, posting)| *of == number && posting.concept == concept);
        postings.map(|(_, posting)| posting.total_after - posting.total_before).sum()
    }

    /// What all postings in a currency come to, in the influencer's favour.
    pub(crate) fn net(&self, currency: Currency) -> Decimal {
        let postings = self.postings.iter().filter(|(number, _)| self.commissions[number].currency == currency);
        postings.map(|(_, posting)| posting.in_favour()).sum()
    }
}

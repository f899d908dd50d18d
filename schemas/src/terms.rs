//! Commission terms: what an influencer earns, for what, from when on.

use rust_decimal::Decimal;
use std::time::Duration;

use crate::time::DAY;
use crate::{CampaignId, CommandId, Content, ConversionKind, Currency, InfluencerId, Money, Timestamp};

/// Terms begin on a multiple of this, as windows do, so that every window is under one set of terms.
pub const TERMS_ALIGNMENT: Duration = Duration::from_secs(60);
/// The most decimals of a percentage: 7.1234 %.
pub const PERCENT_DECIMALS_MAX: u32 = 4;
/// The most tiers of a rule.
pub const TIERS_MAX: usize = 20;

/// A version of a campaign's terms. It is never edited: later terms take over from where they begin.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The id of the command that defined them.
    pub id: CommandId,
    /// The campaign, known or not.
    pub campaign: CampaignId,
    /// Whom they are for; none: everybody who has no terms of their own at that time.
    pub influencer: Option<InfluencerId>,
    /// The first event time that they hold for: a whole minute.
    pub valid_from: Timestamp,
    /// What earns how much; what is not named earns nothing.
    pub rules: Vec<Rule>,
    /// When they were asked for.
    pub defined_at: Timestamp,
    /// What the producer said.
    pub content: Content,
}

/// One rule of some terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What earns.
    pub basis: Basis,
    /// How much, up to the first tier.
    pub pay: Pay,
    /// Of everything in it that is money. A percentage with a currency is for conversions in that currency alone, and one
    /// without has no minimum, tiers or cap.
    pub currency: Option<Currency>,
    /// CPA: a conversion below it, or in another currency, earns nothing.
    pub minimum: Option<Decimal>,
    /// Ascending; where there are any, all of a period is rated, and rounded, as one.
    pub tiers: Vec<Tier>,
    /// What a tier's rate holds for.
    pub scale: Scale,
    /// The most that one period brings.
    pub cap: Option<Decimal>,
    /// What tiers and caps look at.
    pub period: Period,
}

/// From `since` on, in units of the rule's quantity, another rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Impressions, clicks, conversions or, for a percentage, the amount of conversions; above 0.
    pub since: Decimal,
    /// An amount or a percentage, as the rule's own.
    pub rate: Decimal,
}

/// What a tier's rate holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// What lies within the tier.
    #[default]
    Marginal,
    /// All of the period, once it has reached the tier.
    Retroactive,
}

/// A stretch of event time, in UTC, over which a rule adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Period {
    /// A day.
    Day,
    /// A calendar month.
    Month,
    /// All time.
    #[default]
    Whole,
}

/// What earns a commission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Basis {
    /// CPM: every thousand impressions.
    ThousandImpressions,
    /// CPC: every click.
    Click,
    /// CPA: every conversion of this kind.
    Conversion(ConversionKind),
}

impl Rule {
    /// Flat or a percentage, and nothing else.
    pub const fn plain(basis: Basis, pay: Pay) -> Self {
        let currency = match pay {
            Pay::Flat(money) => Some(money.currency()),
            Pay::Percent(_) => None,
        };
        let (scale, period) = (Scale::Marginal, Period::Whole);
        Self { basis, pay, currency, minimum: None, tiers: Vec::new(), scale, cap: None, period }
    }

    /// Whether conversions are rounded, and posted, one by one.
    pub const fn is_per_conversion(&self) -> bool {
        matches!(self.basis, Basis::Conversion(_)) && self.tiers.is_empty()
    }

    /// Whether it looks at all of a period, and not at one conversion or window.
    pub const fn is_periodic(&self) -> bool {
        self.cap.is_some() || !self.tiers.is_empty()
    }

    /// Whether something may be under both, so that they cannot stand in the same terms. Only percentages of different
    /// currencies are apart: what a flat rule pays does not depend on the currency of a conversion.
    pub fn overlaps(&self, other: &Self) -> bool {
        let are_percents = matches!((self.pay, other.pay), (Pay::Percent(_), Pay::Percent(_)));
        let are_apart = self.currency.zip(other.currency).is_some_and(|(one, another)| one != another);
        self.basis == other.basis && !(are_percents && are_apart)
    }

    /// What `quantity` of a period earns by rates and tiers: exact, before the cap. None if it overflows.
    ///
    /// A quantity is in impressions, clicks, conversions or, for a percentage, in the amount of conversions.
    pub fn accrued(&self, quantity: Decimal) -> Option<Decimal> {
        let base = self.first_rate();
        let whole = match self.scale {
            Scale::Retroactive => {
                let reached = self.tiers.iter().rev().find(|tier| tier.since <= quantity);
                quantity.checked_mul(reached.map_or(base, |tier| tier.rate))?
            }
            Scale::Marginal => {
                let (mut sum, mut since, mut rate) = (Decimal::ZERO, Decimal::ZERO, base);
                for tier in self.tiers.iter().take_while(|tier| tier.since < quantity) {
                    sum = sum.checked_add(tier.since.checked_sub(since)?.checked_mul(rate)?)?;
                    (since, rate) = (tier.since, tier.rate);
                }
                sum.checked_add(quantity.checked_sub(since)?.checked_mul(rate)?)?
            }
        };
        whole.checked_mul(self.unit())
    }

    /// What `quantity` earns at the rule's first rate: exact, before tiers and cap. None if it overflows.
    pub fn at_first_rate(&self, quantity: Decimal) -> Option<Decimal> {
        quantity.checked_mul(self.first_rate())?.checked_mul(self.unit())
    }

    /// What one conversion of `amount` earns at the rule's first rate: exact. None if it overflows.
    pub fn of_conversion(&self, amount: Decimal) -> Option<Decimal> {
        self.at_first_rate(match self.pay {
            Pay::Flat(_) => Decimal::ONE,
            Pay::Percent(_) => amount,
        })
    }

    const fn first_rate(&self) -> Decimal {
        match self.pay {
            Pay::Flat(money) => money.amount(),
            Pay::Percent(percent) => percent,
        }
    }

    /// The part of a rate that one unit of quantity earns: a thousandth for CPM, a hundredth for a percentage.
    pub const fn unit(&self) -> Decimal {
        match (self.basis, self.pay) {
            (Basis::ThousandImpressions, _) => Decimal::from_parts(1, 0, 0, false, 3),
            (_, Pay::Percent(_)) => Decimal::from_parts(1, 0, 0, false, 2),
            (_, Pay::Flat(_)) => Decimal::ONE,
        }
    }

    /// `accrued`, but no more than the cap.
    pub fn capped(&self, accrued: Decimal) -> Decimal {
        self.cap.map_or(accrued, |cap| accrued.min(cap))
    }
}

impl Scale {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Marginal, Self::Retroactive];

    /// `escala` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Marginal => "MARGINAL",
            Self::Retroactive => "RETROACTIVA",
        }
    }

    /// The scale with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scale| scale.name() == name)
    }
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Whole];

    /// `periodo` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "DIA",
            Self::Month => "MES",
            Self::Whole => "TOTAL",
        }
    }

    /// The period with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }

    /// The letter in the tables.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Day => "d",
            Self::Month => "m",
            Self::Whole => "t",
        }
    }

    /// The period with this letter.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.letter() == letter)
    }

    /// The start of the period that `time` lies in; 1970 for all time.
    pub fn start(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Day => time.floor(DAY),
            Self::Month => time.month(),
            Self::Whole => Timestamp::EPOCH,
        }
    }
}

impl Basis {
    /// `tipo` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ThousandImpressions => "CPM",
            Self::Click => "CPC",
            Self::Conversion(_) => "CPA",
        }
    }

    /// The number in the tables: never reuse one.
    pub const fn number(self) -> i16 {
        match self {
            Self::ThousandImpressions => 1,
            Self::Click => 2,
            Self::Conversion(_) => 3,
        }
    }

    /// The kind of conversion, for CPA.
    pub const fn conversion(self) -> Option<ConversionKind> {
        match self {
            Self::Conversion(kind) => Some(kind),
            Self::ThousandImpressions | Self::Click => None,
        }
    }
}

/// How much a rule pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pay {
    /// So much for each.
    Flat(Money),
    /// So many hundredths of a conversion's amount, in its own currency; 100 at most.
    Percent(Decimal),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tiered(scale: Scale) -> Rule {
        let pay = Pay::Flat(Money::parse("500", Currency::Cop).unwrap_or(Money::zero(Currency::Cop)));
        let tier = |since: i64, rate: i64| Tier { since: since.into(), rate: rate.into() };
        Rule { tiers: vec![tier(10, 400), tier(20, 300)], scale, ..Rule::plain(Basis::Click, pay) }
    }

    fn check(rule: &Rule, quantity: i64, accrued: i64) {
        assert_eq!(rule.accrued(quantity.into()), Some(accrued.into()), "{quantity} under {:?}", rule.scale);
    }

    #[test]
    fn tiers_pay_what_lies_within_them_or_all_at_the_rate_that_was_reached() {
        for (quantity, marginal, retroactive) in [
            (0, 0, 0),
            (9, 4_500, 4_500),
            (10, 5_000, 4_000),
            (11, 5_400, 4_400),
            (20, 9_000, 6_000),
            (25, 10_500, 7_500),
        ] {
            check(&tiered(Scale::Marginal), quantity, marginal);
            check(&tiered(Scale::Retroactive), quantity, retroactive);
        }
    }

    #[test]
    fn rates_are_per_thousand_each_or_hundredths() {
        let cpm = Rule::plain(Basis::ThousandImpressions, Pay::Flat(Money::zero(Currency::Usd)));
        let cpm =
            Rule { pay: Pay::Flat(Money::parse("1.25", Currency::Usd).unwrap_or(Money::zero(Currency::Usd))), ..cpm };
        assert_eq!(cpm.accrued(Decimal::from(3)).map(|it| it.to_string()).as_deref(), Some("0.00375"));
        let sale = Rule::plain(Basis::Conversion(ConversionKind::Sale), Pay::Percent(Decimal::from(7)));
        assert_eq!(sale.accrued(Decimal::from(150_000)), Some(Decimal::from(10_500)));
        assert!(sale.is_per_conversion() && !cpm.is_per_conversion());
    }

    #[test]
    fn periods_begin_in_utc() {
        let time = Timestamp::parse("2026-02-28T23:59:59.999Z").unwrap_or(Timestamp::EPOCH);
        let starts = [Period::Day, Period::Month, Period::Whole].map(|period| period.start(time).to_string());
        assert_eq!(starts, ["2026-02-28T00:00:00Z", "2026-02-01T00:00:00Z", "1970-01-01T00:00:00Z"]);
    }

    /// Tiers that begin at whole quantities below 100; rates go up and down.
    fn any_rule(scale: Scale) -> impl Strategy<Value = Rule> {
        let hundredths = || (0i64..10_000).prop_map(|rate| Decimal::new(rate, 2));
        let sale = Basis::Conversion(ConversionKind::Sale);
        let flat = prop::sample::select(vec![Basis::ThousandImpressions, Basis::Click, sale]);
        let flat = (flat, hundredths())
            .prop_map(|(basis, rate)| Rule::plain(basis, Pay::Flat(Money::exact(rate, Currency::Usd).unwrap())));
        let percent = hundredths().prop_map(move |rate| Rule::plain(sale, Pay::Percent(rate)));
        let tiers = prop::collection::btree_map(1i64..100, hundredths(), 0..6);
        (prop_oneof![flat, percent], tiers).prop_map(move |(rule, tiers)| {
            let tiers = tiers.into_iter().map(|(since, rate)| Tier { since: since.into(), rate }).collect();
            Rule { tiers, scale, ..rule }
        })
    }

    /// What one more unit earns after `quantity`, times what a rate is divided by.
    fn rate_after(rule: &Rule, quantity: Decimal) -> Decimal {
        let base = match rule.pay {
            Pay::Flat(money) => money.amount(),
            Pay::Percent(percent) => percent,
        };
        rule.tiers.iter().filter(|tier| tier.since <= quantity).map(|tier| tier.rate).fold(base, |_, rate| rate)
    }

    fn divisor(rule: &Rule) -> Decimal {
        match (rule.basis, rule.pay) {
            (Basis::ThousandImpressions, _) => Decimal::ONE_THOUSAND,
            (_, Pay::Percent(_)) => Decimal::ONE_HUNDRED,
            (_, Pay::Flat(_)) => Decimal::ONE,
        }
    }

    proptest! {
        #[test]
        fn marginal_tiers_pay_unit_by_unit(rule in any_rule(Scale::Marginal)) {
            let mut sum = Decimal::ZERO;
            for quantity in (0..150).map(Decimal::from) {
                prop_assert_eq!(rule.accrued(quantity), Some(sum / divisor(&rule)));
                sum += rate_after(&rule, quantity);
            }
        }

        #[test]
        fn retroactive_tiers_pay_every_unit_at_the_last_rate(rule in any_rule(Scale::Retroactive)) {
            for quantity in (0..150).map(Decimal::from) {
                let all = quantity * rate_after(&rule, quantity);
                prop_assert_eq!(rule.accrued(quantity), Some(all / divisor(&rule)));
            }
        }

        /// More never earns less, and a little more earns no more than a little more: no step, at a tier or elsewhere.
        #[test]
        fn marginal_tiers_are_monotone_and_continuous(
            rule in any_rule(Scale::Marginal), hundredths in 0i64..15_000, more in 0i64..15_000
        ) {
            let (quantity, more) = (Decimal::new(hundredths, 2), Decimal::new(more, 2));
            let earned = rule.accrued(quantity + more).unwrap() - rule.accrued(quantity).unwrap();
            let steepest = rule.tiers.iter().map(|tier| tier.rate).fold(rate_after(&rule, 0.into()), Decimal::max);
            prop_assert!(earned >= Decimal::ZERO);
            prop_assert!(earned <= more * steepest / divisor(&rule));
        }
    }
}

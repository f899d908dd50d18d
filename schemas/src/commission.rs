//! Commissions: what settling takes in and brings forth. Numbers stand for names, as in the tables.
//!
//! A *commission* is what is rounded once: a conversion, or a rule in one of its periods. It is *settled* whenever
//! something it depends on has changed; what it is worth then, less what was posted for it before, is posted.

use rust_decimal::Decimal;
use std::collections::HashMap;
use std::sync::Arc;

use crate::terms::Rule;
use crate::{Currency, Money, Timestamp};

/// A rule of a version of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey {
    /// The version.
    pub terms: i32,
    /// The rule's number in it, from 1.
    pub rule: i16,
}

/// Rules by their keys. They are never edited, so they may be shared and kept.
pub type Rules = HashMap<RuleKey, Arc<Rule>>;

/// Why something is settled again. In order: where there are several reasons, the last one is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Windows were closed, or corrected.
    Windows,
    /// A conversion came.
    Conversion,
    /// A conversion was reversed, or a reversal taken back.
    Reversal,
    /// Other terms, or another state of the campaign, for what had happened already.
    Terms,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Windows, Self::Conversion, Self::Reversal, Self::Terms];

    /// The letter in the tables.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Windows => "w",
            Self::Conversion => "c",
            Self::Reversal => "r",
            Self::Terms => "t",
        }
    }

    /// `causa` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "VENTANAS",
            Self::Conversion => "CONVERSION",
            Self::Reversal => "REVERSION",
            Self::Terms => "TERMINOS",
        }
    }

    /// The cause with this letter.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.letter() == letter)
    }
}

/// All that settling some hours of one influencer in one campaign takes.
#[derive(Debug, Clone)]
pub struct Unsettled {
    /// The campaign.
    pub campaign: i32,
    /// The influencer.
    pub influencer: i32,
    /// The hours, and why.
    pub hours: Vec<(Timestamp, Cause)>,
    /// Windows that start at or after it are still open: they are not in `counted`.
    pub closed_through: Timestamp,
    /// Every rule that is named below.
    pub rules: Arc<Rules>,
    /// Impressions and clicks of the closed windows in these hours.
    pub counted: Vec<Counted>,
    /// Conversions in these hours for which there is a rule.
    pub sold: Vec<Sold>,
    /// What the hours had brought when they were settled last.
    pub accruals: Vec<Accrual>,
    /// The commissions of these conversions and periods, as they were settled last.
    pub commissions: Vec<Commission>,
}

/// Impressions or clicks of an hour under one rule.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The hour.
    pub hour: Timestamp,
    /// The rule.
    pub rule: RuleKey,
    /// How many.
    pub quantity: Decimal,
}

/// A conversion under its rule.
#[derive(Debug, Clone)]
pub struct Sold {
    /// Its id.
    pub id: Box<str>,
    /// When it happened.
    pub event_time: Timestamp,
    /// Its amount.
    pub amount: Money,
    /// How much of the amount was taken back: at most all of it.
    pub refunded: Decimal,
    /// Whether all of it was taken back; of a conversion without an amount, too.
    pub undone: bool,
    /// The rule.
    pub rule: RuleKey,
}

/// What one hour has brought under one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accrual {
    /// The hour.
    pub hour: Timestamp,
    /// The rule.
    pub rule: RuleKey,
    /// Of the commission.
    pub currency: Currency,
    /// What tiers and caps look at: impressions, clicks, conversions or their amounts, less what was taken back; where
    /// conversions are rounded one by one, their commissions less reversals.
    pub quantity: Decimal,
    /// The exact commission at the rule's first rate, before tiers, caps and reversals.
    pub amount: Decimal,
}

/// What a commission is of. In the order in which they are settled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A conversion.
    Conversion {
        /// Its event time.
        at: Timestamp,
        /// Its id.
        id: Box<str>,
    },
    /// A rule in a period.
    Period {
        /// Where the period starts.
        start: Timestamp,
        /// The rule.
        rule: RuleKey,
    },
}

/// A commission as it was settled last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commission {
    /// Its number; none until it is stored.
    pub number: Option<i64>,
    /// What it is of.
    pub subject: Subject,
    /// Its currency.
    pub currency: Currency,
    /// The rule by which it was settled.
    pub rule: RuleKey,
    /// Of the period; of a conversion its amount.
    pub quantity: Decimal,
    /// What was posted for it.
    pub earned: Decimal,
    /// How much of the conversion's amount was taken back.
    pub refunded: Decimal,
    /// What was posted of it as reversed.
    pub reversed: Decimal,
}

/// What a posting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concept {
    /// A commission is earned, or less of it.
    Commission,
    /// A commission is taken back with its conversion, or given again.
    Reversal,
}

impl Concept {
    /// The letter in the tables.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Commission => "c",
            Self::Reversal => "r",
        }
    }

    /// `concepto` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commission => "COMISION",
            Self::Reversal => "REVERSION",
        }
    }
}

/// A posting to be: the difference between what a commission is worth and what was posted for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The commission, by its place in [`Settled::commissions`].
    pub commission: usize,
    /// What it is about.
    pub concept: Concept,
    /// Why.
    pub cause: Cause,
    /// The event time that it is about: from.
    pub event_from: Timestamp,
    /// The event time that it is about: to; of a conversion the same.
    pub event_to: Timestamp,
    /// What it was computed of before.
    pub quantity_before: Decimal,
    /// What it is computed of now.
    pub quantity_after: Decimal,
    /// What the rule makes of it, exactly.
    pub exact_after: Decimal,
    /// What was posted before.
    pub total_before: Decimal,
    /// What is posted now, rounded.
    pub total_after: Decimal,
}

impl Posting {
    /// What it changes in the influencer's favour; below 0 to their disadvantage. Never 0.
    pub fn in_favour(&self) -> Decimal {
        // Totals have two decimals and at most 26 digits: their difference is exact.
        let change = self.total_after.saturating_sub(self.total_before);
        match self.concept {
            Concept::Commission => change,
            Concept::Reversal => -change,
        }
    }
}

/// What settling has brought.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The campaign.
    pub campaign: i32,
    /// The influencer.
    pub influencer: i32,
    /// What the hours bring now, where that has changed; a quantity and an amount of 0 for nothing any more.
    pub accruals: Vec<Accrual>,
    /// Commissions that are new or have changed.
    pub commissions: Vec<Commission>,
    /// What is to be posted.
    pub postings: Vec<Posting>,
}

/// Settles: what is worth what now, and what is to be posted; none if a sum overflows. It is the operator's, handed to those
/// who must not know operators.
pub type Settle = fn(&Unsettled) -> Option<Settled>;

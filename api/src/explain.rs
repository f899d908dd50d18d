//! Why a posting is what it is: computed again from what the ledger says it was computed of, step by step and in words.
//!
//! The texts are for people in finance, hence Spanish, whole sentences, and every number that is needed to follow them.

mod steps;
mod words;

use rust_decimal::Decimal;
use schemas::money::{round_commission, round_refund};
use schemas::terms::Rule;
use schemas::{ConversionKind, Currency, ReversalKind, Timestamp};
use std::sync::Arc;

use crate::routes::postings::Row;

pub(crate) use steps::Step;
pub(crate) use words::{sentences, unit};

/// All that explaining a posting takes.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) posting: Row,
    pub(crate) currency: Currency,
    pub(crate) inputs: Inputs,
    pub(crate) terms: Terms,
    pub(crate) rule: Arc<Rule>,
    /// What the conversion was, as far as it is known.
    pub(crate) conversion: Option<Conversion>,
    pub(crate) refunds: Vec<Refund>,
    /// What was posted for the same commission afterwards, oldest first.
    pub(crate) later: Vec<Row>,
    /// Whether there is more of it than that.
    pub(crate) has_more: bool,
}

/// What a posting was computed of, as the ledger stores it.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) quantity_before: Decimal,
    pub(crate) quantity_after: Decimal,
    pub(crate) exact_after: Decimal,
    pub(crate) total_before: Decimal,
    pub(crate) total_after: Decimal,
    /// The start of the period; of a conversion its time.
    pub(crate) start: Timestamp,
    /// What the commission had earned when this was posted: for reversals.
    pub(crate) earned_then: Decimal,
    /// The commission as it is now: the quantity of its period, of a conversion its amount.
    pub(crate) quantity_now: Decimal,
    pub(crate) earned_now: Decimal,
    pub(crate) reversed_now: Decimal,
}

/// A version of terms.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) version: i32,
    pub(crate) valid_from: Timestamp,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) influencer: Option<String>,
}

/// A conversion.
#[derive(Debug, Clone)]
pub(crate) struct Conversion {
    pub(crate) kind: ConversionKind,
    pub(crate) amount: Decimal,
    pub(crate) currency: String,
    pub(crate) event_time: Timestamp,
}

/// A refund or a dispute, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) kind: ReversalKind,
    pub(crate) dispute: Option<String>,
    /// None: all of the conversion.
    pub(crate) amount: Option<Decimal>,
    pub(crate) currency: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) event_time: Timestamp,
}

/// What a posting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A conversion's commission.
    Conversion,
    /// The commission of a conversion that no rule pays any more.
    NoRule,
    /// What is taken back of a conversion's commission.
    Reversal,
    /// A rule in a period.
    Period,
    /// What the cap of a period takes away from commissions that are posted conversion by conversion.
    Cap,
}

/// A posting, computed again.
#[derive(Debug, Clone)]
pub(crate) struct Calculation {
    pub(crate) steps: Vec<Step>,
    pub(crate) exact: Decimal,
    pub(crate) rounded: Decimal,
    /// In the influencer's favour.
    pub(crate) posted: Decimal,
}

impl Facts {
    pub(crate) fn about(&self) -> About {
        match (self.posting.is_reversal(), &self.posting.conversion) {
            (true, _) => About::Reversal,
            (_, None) if self.rule.is_per_conversion() => About::Cap,
            (_, None) => About::Period,
            // The rule is the one that had paid it until then.
            _ if self.inputs.exact_after.is_zero() && !steps::pays_nothing(self) => About::NoRule,
            _ => About::Conversion,
        }
    }

    /// None where something has more than 28 digits, which is not posted.
    pub(crate) fn calculate(&self) -> Option<Calculation> {
        let (steps, exact) = steps::steps(self)?;
        let rounded = match self.about() {
            About::Reversal => round_refund(exact, self.currency),
            _ => round_commission(exact, self.currency),
        };
        let change = rounded.checked_sub(self.inputs.total_before)?;
        let posted = if self.about() == About::Reversal { -change } else { change };
        Some(Calculation { steps, exact, rounded, posted })
    }

    /// Whether the ledger says the same.
    pub(crate) fn is_as_posted(&self, calculation: &Calculation) -> bool {
        calculation.exact == self.inputs.exact_after
            && calculation.rounded == self.inputs.total_after
            && calculation.posted == self.posting.in_favour
    }
}

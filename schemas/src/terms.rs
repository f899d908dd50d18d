//! Commission terms: what an influencer earns, for what, from when on.

use rust_decimal::Decimal;
use std::time::Duration;

use crate::{CampaignId, CommandId, Content, ConversionKind, InfluencerId, Money, Timestamp};

/// Terms begin on a multiple of this, as windows do, so that every window is under one set of terms.
pub const TERMS_ALIGNMENT: Duration = Duration::from_secs(60);
/// The most decimals of a percentage: 7.1234 %.
pub const PERCENT_DECIMALS_MAX: u32 = 4;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What earns.
    pub basis: Basis,
    /// How much.
    pub pay: Pay,
}

/// What earns a commission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// CPM: every thousand impressions.
    ThousandImpressions,
    /// CPC: every click.
    Click,
    /// CPA: every conversion of this kind.
    Conversion(ConversionKind),
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

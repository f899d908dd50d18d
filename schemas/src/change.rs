//! What an epoch writes: claims first, then rows and the sums that they add to.

use foldhash::HashMap;
use rust_decimal::Decimal;

use crate::{
    CampaignId, ClaimKey, Content, Currency, Envelope, InfluencerId, Position, Reversal, Timestamp, TrackingEvent,
};

/// A wish to be the one command of its key.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The identity.
    pub key: ClaimKey,
    /// What it says.
    pub content: Content,
    /// Who asks.
    pub position: Position,
}

/// The claims that were already held by others, with what those say.
pub type HeldClaim = HashMap<ClaimKey, Content>;

/// An event in its window; or what has none.
#[derive(Debug, Clone)]
pub enum Windowed {
    /// An event.
    Event {
        /// The event.
        event: Envelope<TrackingEvent>,
        /// The start of its one-minute window.
        window: Timestamp,
        /// Its window was closed already: it corrects it all the same.
        late: bool,
    },
    /// A reversal: it takes nothing away from any window's counts.
    Reversal(Envelope<Reversal>),
}

/// One window: campaign × influencer × minute. No influencer = unattributed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowKey {
    /// The campaign.
    pub campaign: CampaignId,
    /// The influencer.
    pub influencer: Option<InfluencerId>,
    /// The start of the minute.
    pub start: Timestamp,
}

/// What is added to the counts of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowCount {
    /// Impressions.
    pub impressions: i64,
    /// Clicks.
    pub clicks: i64,
    /// Conversions.
    pub conversions: i64,
    /// Whether the window was closed already.
    pub late: bool,
}

/// What is added to a window's amount in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowAmount {
    /// In units of the currency.
    pub amount: Decimal,
    /// Whether the window was closed already.
    pub late: bool,
}

/// What is added to a campaign's totals by this line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CampaignTotal {
    /// Impressions.
    pub impressions: i64,
    /// Clicks.
    pub clicks: i64,
    /// Conversions.
    pub conversions: i64,
}

/// A late arrival, for the list.
#[derive(Debug, Clone)]
pub struct LateEvent {
    /// The window it corrected.
    pub window: WindowKey,
    /// Which event, by its place in the line.
    pub position: Position,
    /// When it happened.
    pub event_time: Timestamp,
    /// When it came.
    pub published_at: Timestamp,
}

/// All that the tracking line adds in one epoch.
#[derive(Debug, Clone, Default)]
pub struct TrackingChanges {
    /// New impressions and clicks, for their rows.
    pub impressions: Vec<Envelope<TrackingEvent>>,
    /// New conversions, for theirs.
    pub conversions: Vec<Envelope<TrackingEvent>>,
    /// Counts per window.
    pub windows: HashMap<WindowKey, WindowCount>,
    /// Amounts per window and currency.
    pub amounts: HashMap<(WindowKey, Currency), WindowAmount>,
    /// Totals per campaign.
    pub totals: HashMap<CampaignId, CampaignTotal>,
    /// Amounts per campaign and currency.
    pub total_amounts: HashMap<(CampaignId, Currency), Decimal>,
    /// Late arrivals.
    pub late: Vec<LateEvent>,
    /// New reversals, for their rows.
    pub reversals: Vec<Envelope<Reversal>>,
}

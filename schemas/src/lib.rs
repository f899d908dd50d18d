//! The vocabulary of Alpes: what a command, an event, an amount, a position and a reject *are*.
//!
//! Nothing here knows of tokio, SQL, HTTP or Pulsar. Spanish lives in [`wire`], where the users' names are read and
//! written; everywhere else the field's English terms are used (the README has the glossary).
//!
//! Reading order: [`ids`], [`time`], [`money`] → [`wire`] (what was sent) → [`command`] (what was meant), [`reversal`],
//! [`campaign`], [`terms`] → [`position`], [`message`] (where it travels) → [`change`], [`reject`] (what comes of it),
//! [`commission`] (what it is worth).

pub mod avro;
pub mod campaign;
pub mod change;
pub mod command;
pub mod commission;
pub mod content;
pub mod facts;
pub mod ids;
pub mod message;
pub mod money;
pub mod position;
pub mod reject;
pub mod reversal;
pub mod terms;
pub mod time;
pub mod wire;

pub use campaign::{
    BudgetPolicy, Campaign, CampaignChange, CampaignEdit, CampaignState, CampaignStatus, Dates, Influencer, Membership,
    StateChange,
};
pub use change::{
    CampaignTotal, Claim, HeldClaim, LateEvent, TrackingChanges, WindowAmount, WindowCount, WindowKey, Windowed,
};
pub use command::{CampaignCommand, Command, ConversionKind, EventKind, Kind, TrackingEvent};
pub use content::Content;
pub use facts::Facts;
pub use ids::{CampaignId, ClaimKey, CommandId, InfluencerId};
pub use message::{Envelope, RawMessage};
pub use money::{Currency, Money};
pub use position::{Position, Span};
pub use reject::{Code, Fault, Faults, Reject};
pub use reversal::{Reversal, ReversalKind};
pub use terms::Terms;
pub use time::Timestamp;

//! What takes a conversion back, in whole or in part: a refund, or the steps of a dispute.

use rust_decimal::Decimal;
use smol_str::SmolStr;

use crate::{ClaimKey, CommandId, Content, Currency, Kind, Timestamp};

/// The longest `motivo`, in bytes: some sentences. All reversals of a conversion are shown together.
pub const REASON_BYTES_MAX: usize = 1_000;

/// `tipo` of a reversal. The numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReversalKind {
    /// DEVOLUCION: the buyer has the money back.
    Refund = 1,
    /// `DISPUTA_ABIERTA`: the buyer's bank has asked for it.
    DisputeOpened = 2,
    /// `DISPUTA_GANADA`: the seller keeps it.
    DisputeWon = 3,
    /// `DISPUTA_PERDIDA`: the buyer has it back.
    DisputeLost = 4,
}

impl ReversalKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Refund, Self::DisputeOpened, Self::DisputeWon, Self::DisputeLost];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refund => "DEVOLUCION",
            Self::DisputeOpened => "DISPUTA_ABIERTA",
            Self::DisputeWon => "DISPUTA_GANADA",
            Self::DisputeLost => "DISPUTA_PERDIDA",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The number in the tables.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The kind with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether it is a step of a dispute.
    pub const fn is_dispute(self) -> bool {
        !matches!(self, Self::Refund)
    }
}

/// A refund, or one step of a dispute. Its conversion may be known or not.
#[derive(Debug, Clone)]
pub struct Reversal {
    /// Unique among reversals.
    pub id: CommandId,
    /// The id of the conversion that it takes back.
    pub conversion: CommandId,
    /// What it is.
    pub kind: ReversalKind,
    /// Which dispute it is a step of; none for a refund.
    pub dispute: Option<SmolStr>,
    /// How much it takes back; none: all of the conversion.
    pub amount: Option<Decimal>,
    /// In what; none: in the conversion's currency.
    pub currency: Option<Currency>,
    /// `motivo`.
    pub reason: Option<SmolStr>,
    /// When it happened.
    pub event_time: Timestamp,
    /// What the producer said.
    pub content: Content,
}

impl Reversal {
    /// The key under which its conversion is claimed.
    pub fn conversion_key(&self) -> ClaimKey {
        ClaimKey::new(Kind::RecordConversion, &self.conversion)
    }
}

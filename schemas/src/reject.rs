//! What is wrong with a command, in the words that its producer gets to read.

use bytes::Bytes;
use std::fmt;
use uuid::Uuid;

use crate::{
    Kind, Position, Timestamp,
    message::{Encoding, Origin},
};

/// Why a command was rejected. The order is the order of judgement: the first fault gives a reject its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Not JSON or Avro, trailing bytes, wrong shape or type.
    Malformed,
    /// A `comando` that Alpes does not know.
    UnknownCommand,
    /// A required value is missing, null or empty.
    MissingField,
    /// Not an instant.
    InvalidTimestamp,
    /// Too far ahead of the time it was published.
    Future,
    /// Older than the dedup horizon.
    TooOld,
    /// A currency that Alpes does not count in.
    UnknownCurrency,
    /// An amount, or one of a list of values, that cannot be.
    InvalidValue,
    /// The id is taken by a command with other content.
    IdConflict,
    /// What its campaign is does not allow it.
    InvalidState,
    /// Understood, but not something Alpes does.
    Unsupported,
}

impl Code {
    /// All of them, in order of judgement.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::UnknownCommand,
        Self::MissingField,
        Self::InvalidTimestamp,
        Self::Future,
        Self::TooOld,
        Self::UnknownCurrency,
        Self::InvalidValue,
        Self::IdConflict,
        Self::InvalidState,
        Self::Unsupported,
    ];

    /// The name on the wire and in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformado",
            Self::UnknownCommand => "comando_desconocido",
            Self::MissingField => "campo_faltante",
            Self::InvalidTimestamp => "timestamp_invalido",
            Self::Future => "futuro",
            Self::TooOld => "demasiado_antiguo",
            Self::UnknownCurrency => "moneda_desconocida",
            Self::InvalidValue => "valor_invalido",
            Self::IdConflict => "conflicto_de_id",
            Self::InvalidState => "estado_invalido",
            Self::Unsupported => "no_soportado",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing wrong with a command: what, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of wrong.
    pub code: Code,
    /// The JSON key, or empty for the whole body.
    pub path: &'static str,
    /// In Spanish, for the producer.
    pub detail: String,
}

/// All that is wrong with a command; never empty, in order of judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// A single fault.
    pub fn one(code: Code, path: &'static str, detail: impl Into<String>) -> Self {
        Self(vec![Fault { code, path, detail: detail.into() }])
    }

    /// All of `faults`, if there are any.
    pub fn of(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by_key(|fault| fault.code);
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// These and one more.
    #[must_use]
    pub fn and(mut self, fault: Fault) -> Self {
        self.0.push(fault);
        self.0.sort_by_key(|fault| fault.code);
        self
    }

    /// The code of the first fault.
    pub fn code(&self) -> Code {
        self.0.first().map_or(Code::Malformed, |fault| fault.code)
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

/// `campaña_id: falta; valor: es negativo`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            let path = if fault.path.is_empty() { "" } else { fault.path };
            let colon = if fault.path.is_empty() { "" } else { ": " };
            write!(f, "{separator}{path}{colon}{}", fault.detail)?;
        }
        Ok(())
    }
}

/// A command that cannot be counted, kept with its bytes so that it can be mended and replayed.
#[derive(Debug, Clone)]
pub struct Reject {
    /// What is wrong.
    pub faults: Faults,
    /// Where it stood in its source.
    pub position: Position,
    /// When its log accepted it.
    pub published_at: Timestamp,
    /// The id that the edge gave it.
    pub assigned_id: Option<Uuid>,
    /// Its kind, as far as it could be told.
    pub kind: Option<Kind>,
    /// Its event time, as far as it could be read.
    pub event_time: Option<Timestamp>,
    /// The reject that it was a replay of: that one is updated, instead of a second one made.
    pub replay_of: Option<i64>,
    /// The bytes as they came.
    pub payload: Bytes,
    /// What they are written in.
    pub encoding: Encoding,
}

impl Reject {
    /// The message of `origin`, with its faults.
    pub fn new(origin: Origin, kind: Option<Kind>, event_time: Option<Timestamp>, faults: Faults) -> Self {
        Self {
            faults,
            position: origin.position,
            published_at: origin.published_at,
            assigned_id: origin.assigned_id,
            kind,
            event_time,
            replay_of: origin.replay_of,
            payload: origin.payload,
            encoding: origin.encoding,
        }
    }
}

//! Messages as they travel from a source towards an epoch.

use bytes::Bytes;
use uuid::Uuid;

use crate::avro::WriterSchema;
use crate::wire::{self, Record};
use crate::{Code, Faults, Kind, Position, Timestamp};

/// The longest payload of one command, in bytes. The users' system takes 1 MB bodies but never needs them; what is
/// longer is refused at the edge, and cut short in a reject's raw bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A message as a source yields it: bytes with a place and a time.
#[derive(Debug, Clone)]
pub struct RawMessage {
    /// What was known about it besides its bytes.
    pub origin: Origin,
    /// Its kind, when the way it came says so; else the payload's `comando` does.
    pub kind: Option<Kind>,
}

/// What a payload is written in.
#[derive(Debug, Clone, Default)]
pub enum Encoding {
    /// JSON, as over HTTP, in files and in the log in PostgreSQL.
    #[default]
    Json,
    /// Avro, by the schema that its writer used.
    Avro(WriterSchema),
    /// Nothing that Alpes reads: why, for the producer.
    Unsupported(Box<str>),
}

impl Encoding {
    /// What was sent, or why it cannot be read.
    pub fn decode(&self, kind: Option<Kind>, payload: &[u8]) -> Result<Record, Faults> {
        match self {
            Self::Json => wire::decode(kind, payload),
            Self::Avro(schema) => wire::decode_avro(schema, payload),
            Self::Unsupported(why) => Err(Faults::one(Code::Unsupported, "", &**why)),
        }
    }

    /// The name in the tables; none for JSON.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Json => None,
            Self::Avro(schema) => Some(schema.name()),
            Self::Unsupported(_) => Some(UNSUPPORTED),
        }
    }

    /// The encoding with this name in the tables.
    pub fn named(name: Option<&str>) -> Self {
        match name {
            None => Self::Json,
            Some(name) => WriterSchema::named(name).map_or_else(
                || Self::Unsupported("no se conoce su esquema; envíe el comando corregido como JSON".into()),
                Self::Avro,
            ),
        }
    }
}

/// The name of what cannot be read at all.
const UNSUPPORTED: &str = "no_soportado";

/// Where and when a message came from; stays with it to the end of the line.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its place in the partition.
    pub position: Position,
    /// When the log accepted it; event time where the producer gave none.
    pub published_at: Timestamp,
    /// The id that the edge gave it, for the case that the payload has none.
    pub assigned_id: Option<Uuid>,
    /// The reject (its id) that this message mends and replays.
    pub replay_of: Option<i64>,
    /// The bytes as the producer sent them, for a reject.
    pub payload: Bytes,
    /// What they are written in.
    pub encoding: Encoding,
}

/// Something read from a message, with where it came from.
#[derive(Debug, Clone)]
pub struct Envelope<T> {
    /// Where it came from.
    pub origin: Origin,
    /// What was read.
    pub body: T,
}

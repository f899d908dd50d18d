//! Avro as it travels on the topics: which schemas there are, and every datum that Alpes writes.
//!
//! The schema texts lie in `schemas/avro`: the users' exactly as their system registered them, and Alpes' own. What was
//! registered once lies in `schemas/avro/registered`, too: a test refuses a change that the broker would refuse.
//! Reading is the business of [`wire`](crate::wire), where commands are judged.

mod command;
mod events;
mod evolve;
mod schema;

pub use command::{command, raw_command};
pub use events::{
    AlpesEvent, CommissionCalculated, ConversionRegistered, EventName, ImpressionRegistered, campaign_created,
    commission_calculated, conversion_registered, impression_registered, registered,
};
pub use schema::{SCHEMA_BYTES_MAX, WriterSchema, schema_text};

pub(crate) use events::decimal;
pub(crate) use schema::Layout;

use serde::Serialize;
use serde_avro_fast::{Schema, ser::SerializerConfig};

/// How deep records, unions, arrays and maps may nest, in a schema and in a datum: the users' campaigns need 5, and
/// what is deeper would only use up the stack.
pub const DEPTH_MAX: usize = 8;

/// Why a schema was not accepted, or a record could not be encoded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AvroError {
    /// The schema text does not parse, or is none that Alpes reads.
    #[error("schema: {0}")]
    Schema(String),
    /// The record does not fit its schema.
    #[error("record: {0}")]
    Record(String),
}

/// `record` as a datum without header.
fn datum(schema: &Schema, record: &impl Serialize) -> Result<Vec<u8>, AvroError> {
    serde_avro_fast::to_datum_vec(record, &mut SerializerConfig::new(schema))
        .map_err(|error| AvroError::Record(error.to_string()))
}

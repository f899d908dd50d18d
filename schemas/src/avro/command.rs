//! Commands as Alpes' own topic carries them: richer than the users' records, since money there is exact.

use uuid::Uuid;

use super::{AvroError, Layout, WriterSchema, datum};
use crate::wire::{ComandoAlpes, DATUM_BYTES_MAX, Record};

/// A JSON command as a `ComandoAlpes` datum that reads back to the same [`Command`](crate::Command), with the same
/// content and the same things left unsaid. `assigned_id` stands in for an id that was not sent.
///
/// Nothing where that cannot be promised, since the datum could not say what is wrong with the command: then
/// [`raw_command`] is the way.
pub fn command(record: &Record, assigned_id: Option<Uuid>) -> Result<Option<Vec<u8>>, AvroError> {
    let assigned_id = assigned_id.map(|id| id.to_string());
    let Some(record) = ComandoAlpes::of(record, assigned_id.as_deref()) else {
        return Ok(None);
    };
    let bytes = encode(&record)?;
    Ok((bytes.len() <= DATUM_BYTES_MAX).then_some(bytes))
}

/// A command that could not be judged, as it was sent, for a reject to be made of it.
pub fn raw_command(payload: &[u8]) -> Result<Vec<u8>, AvroError> {
    encode(&ComandoAlpes::raw(payload))
}

fn encode(record: &ComandoAlpes<'_>) -> Result<Vec<u8>, AvroError> {
    let schema = WriterSchema::of_layout(Layout::Alpes)
        .ok_or_else(|| AvroError::Schema("ComandoAlpes does not parse".to_owned()))?;
    datum(schema.schema(), record)
}

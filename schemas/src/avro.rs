//! The users' Avro records, as their topics' registered schemas say. The schema texts lie in `schemas/avro`.

use serde::{Deserialize, Serialize};
use serde_avro_fast::{Schema, ser::SerializerConfig};
use std::sync::LazyLock;

/// Why a record could not be encoded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AvroError {
    /// The committed schema text does not parse.
    #[error("schema: {0}")]
    Schema(String),
    /// The record does not fit its schema.
    #[error("record: {0}")]
    Record(String),
}

static CAMPAIGN_CREATED: LazyLock<Result<Schema, AvroError>> = LazyLock::new(|| {
    include_str!("../avro/eventos-campana.avsc").parse().map_err(|error| AvroError::Schema(format!("{error}")))
});

#[derive(Debug, Serialize, Deserialize)]
struct CampaignCreated<'a> {
    #[serde(borrow)]
    data: Option<CampaignCreatedPayload<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CampaignCreatedPayload<'a> {
    id: Option<&'a str>,
}

/// `EventoCampañaCreada` for the campaign `id`, as a datum without header.
pub fn campaign_created(id: &str) -> Result<Vec<u8>, AvroError> {
    let schema = CAMPAIGN_CREATED.as_ref().map_err(Clone::clone)?;
    let event = CampaignCreated { data: Some(CampaignCreatedPayload { id: Some(id) }) };
    serde_avro_fast::to_datum_vec(&event, &mut SerializerConfig::new(schema))
        .map_err(|error| AvroError::Record(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn campaign_created_has_the_recorded_bytes() {
        // The message that the users' own system published (pulsar-client 3.7.0).
        let recorded = "02024836343935306437362d373734342d343539662d396634612d356230363336316639363036";
        let bytes = campaign_created("64950d76-7744-459f-9f4a-5b06361f9606").unwrap();
        assert_eq!(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>(), recorded);
    }
}

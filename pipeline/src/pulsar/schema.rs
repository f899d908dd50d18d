//! What a message is written in: found by the schema version that its producer attached.

use pulsar::message::proto::MessageMetadata;
use schemas::avro::WriterSchema;
use schemas::message::Encoding;
use sinks::pulsar::BrokerError;
use sinks::pulsar::admin::{Admin, Schema};
use std::collections::HashMap;

/// Schema versions of one topic that are kept: each was registered by somebody, which is rare.
const VERSIONS_MAX: usize = 1_000;

/// The writer schemas of one topic, asked for once each.
#[derive(Debug)]
pub(super) struct Schemas {
    topic: String,
    unversioned: Encoding,
    versions: HashMap<Vec<u8>, Encoding>,
}

impl Schemas {
    /// Of the topic with this bare name.
    pub(super) fn of(topic: &str) -> Self {
        let pinned = WriterSchema::pinned(topic).map(Encoding::Avro);
        let unversioned = pinned.unwrap_or_else(|| unsupported("el tema no tiene un esquema conocido"));
        Self { topic: topic.to_owned(), unversioned, versions: HashMap::new() }
    }

    /// How to read a message. Fails only when the broker cannot be asked.
    pub(super) async fn encoding(
        &mut self,
        admin: &Admin,
        metadata: &MessageMetadata,
    ) -> Result<Encoding, BrokerError> {
        if let Some(why) = unreadable(metadata) {
            return Ok(unsupported(why));
        }
        let Some(version) = metadata.schema_version.as_deref() else { return Ok(self.unversioned.clone()) };
        if let Some(known) = self.versions.get(version) {
            return Ok(known.clone());
        }
        let encoding = match <[u8; 8]>::try_from(version) {
            Ok(number) => self.judge(admin.schema(&self.topic, u64::from_be_bytes(number)).await?),
            Err(_) => unsupported("la versión de su esquema no es un número"),
        };
        if self.versions.len() < VERSIONS_MAX {
            self.versions.insert(version.to_owned(), encoding.clone());
        }
        Ok(encoding)
    }

    fn judge(&self, registered: Option<Schema>) -> Encoding {
        let Some(Schema { kind, text }) = registered else {
            return unsupported("el broker no conoce la versión de su esquema");
        };
        if kind != "AVRO" {
            return unsupported("su esquema no es Avro");
        }
        match WriterSchema::evolved(&self.topic, &text) {
            Ok(schema) => Encoding::Avro(schema),
            Err(error) => unsupported(&format!("su esquema no encaja con el del tema: {error}")),
        }
    }
}

/// What this client hands over as if it were a message, though it is not.
fn unreadable(metadata: &MessageMetadata) -> Option<&'static str> {
    if !metadata.encryption_keys.is_empty() {
        return Some("está cifrado; envíelo sin cifrar");
    }
    if metadata.num_chunks_from_msg.is_some_and(|chunks| chunks > 1) {
        return Some("es un trozo de un mensaje partido (chunking); envíelo entero");
    }
    None
}

fn unsupported(why: &str) -> Encoding {
    Encoding::Unsupported(why.into())
}

//! What a message is written in: found by the schema version that its producer attached.

use pulsar::TokioExecutor;
use pulsar::message::proto::{MessageMetadata, schema};
use pulsar::{Consumer, message::proto};
use schemas::avro::WriterSchema;
use schemas::message::Encoding;
use sinks::pulsar::BrokerError;
use std::collections::HashMap;

/// Schema versions of one topic that are kept: each was registered by somebody, which is rare.
const VERSIONS_MAX: usize = 1_000;

/// The writer schemas of one topic, asked for once each.
#[derive(Debug)]
pub(super) struct Schemas {
    topic: String,
    name: String,
    unversioned: Encoding,
    versions: HashMap<Vec<u8>, Encoding>,
}

impl Schemas {
    /// Of the topic with this full name; its pinned schema goes by `name`.
    pub(super) fn of(topic: &str, name: &str) -> Self {
        let pinned = WriterSchema::pinned(name).map(Encoding::Avro);
        let unversioned = pinned.unwrap_or_else(|| unsupported("el tema no tiene un esquema conocido"));
        Self { topic: topic.to_owned(), name: name.to_owned(), unversioned, versions: HashMap::new() }
    }

    /// How to read a message. Fails only when the broker cannot be asked.
    pub(super) async fn encoding(
        &mut self,
        consumer: &mut Consumer<Vec<u8>, TokioExecutor>,
        metadata: &MessageMetadata,
    ) -> Result<Encoding, BrokerError> {
        if let Some(why) = unreadable(metadata) {
            return Ok(unsupported(why));
        }
        let Some(version) = &metadata.schema_version else { return Ok(self.unversioned.clone()) };
        if let Some(known) = self.versions.get(version) {
            return Ok(known.clone());
        }
        let registered = consumer.get_schema(&self.topic, Some(version.clone())).await?;
        let encoding = self.judge(registered);
        if self.versions.len() < VERSIONS_MAX {
            self.versions.insert(version.clone(), encoding.clone());
        }
        Ok(encoding)
    }

    fn judge(&self, registered: Option<proto::Schema>) -> Encoding {
        let Some(registered) = registered else { return unsupported("el broker no conoce la versión de su esquema") };
        if registered.r#type != schema::Type::Avro as i32 {
            return unsupported("su esquema no es Avro");
        }
        let Ok(text) = std::str::from_utf8(&registered.schema_data) else {
            return unsupported("su esquema no es texto");
        };
        match WriterSchema::evolved(&self.name, text) {
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

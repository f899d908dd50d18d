//! What a command says, as a short hash: same id and same content is a duplicate, other content is a conflict.

use crate::{Timestamp, ids::first_16};

/// A hash of the business fields that the producer sent, normalised, before defaults.
///
/// The first byte is the version of the recipe, so that a change of recipe can be told from a change of content.
/// IP, user agent, referrer and times stamped by Alpes are left out: a retry may differ in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content(pub [u8; 16]);

const VERSION: u8 = 1;

/// Collects fields into a [`Content`]; the order of calls is part of the recipe. They are hashed in one go: a hasher is a
/// large thing to hand around.
#[derive(Debug)]
pub struct ContentBuilder(Vec<u8>);

/// What a command's fields take usually, so that they are gathered without growing.
const FIELDS_BYTES: usize = 256;

impl ContentBuilder {
    /// Starts the content of one `kind` of command.
    pub fn new(kind: &str) -> Self {
        Self(Vec::with_capacity(FIELDS_BYTES)).text(Some(kind))
    }

    /// Adds a text, or that none was sent.
    #[must_use]
    pub fn text(mut self, value: Option<&str>) -> Self {
        // Length first, so that neighbours cannot flow into one another; u64::MAX is no length.
        let length = value.map_or(u64::MAX, |text| text.len() as u64);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value.unwrap_or_default().as_bytes());
        self
    }

    /// Adds an instant, in UTC whatever zone it was written in.
    #[must_use]
    pub fn time(mut self, value: Option<Timestamp>) -> Self {
        self.0.extend_from_slice(&value.map_or(i64::MIN, Timestamp::micros).to_le_bytes());
        self
    }

    /// The content.
    pub fn build(self) -> Content {
        let mut bytes = first_16(&blake3::hash(&self.0));
        bytes[0] = VERSION;
        Content(bytes)
    }
}

//! Identifiers as the users wrote them: compared by their bytes, never folded or trimmed.

use smol_str::SmolStr;
use std::{fmt, ops::Deref};
use uuid::Uuid;

use crate::{Kind, Position};

/// The longest identifier accepted, in bytes: long enough for a UUID with a prefix, short enough for an index entry.
pub const ID_BYTES_MAX: usize = 255;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<SmolStr> for $name {
            fn from(text: SmolStr) -> Self {
                Self(text)
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A campaign (`campaña_id`): a UUID or any short text, known or not yet.
    CampaignId
);
text_id!(
    /// An influencer (`influencer_id`).
    InfluencerId
);
text_id!(
    /// A command (`id`), unique per kind of command within a tenant.
    CommandId
);

impl CommandId {
    /// The id of a message that brought none: the same whenever it is read again.
    pub fn from_position(source: &str, position: Position) -> Self {
        Self(derived_uuid(&format!("{source}@{position}")).to_string().into())
    }
}

/// A UUID (version 8) made from a text: the same text, the same UUID.
pub fn derived_uuid(text: &str) -> Uuid {
    uuid::Builder::from_custom_bytes(*hashed(text).as_bytes()).into_uuid()
}

/// The key under which a command's identity is claimed: 16 bytes, whatever the length of the id.
///
/// A canonical UUID is its own key, so that ids that are made in time order stay in order in the index. Any other text
/// is keyed by the first 16 bytes of its BLAKE3 hash. Two ids that met in one key would still not be mistaken for one
/// another: the id is part of the [`Content`](crate::Content) that a claim remembers, so the second would be a
/// `conflicto_de_id` on record, never a silent duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey {
    /// The id, compact. First, as in the index: it tells almost any two keys apart.
    pub id: Uuid,
    /// The kind of command: impressions and conversions may share an id.
    pub kind: Kind,
}

impl ClaimKey {
    /// The key of `id` among the commands of `kind`.
    pub fn new(kind: Kind, id: &str) -> Self {
        Self { kind: kind.claimed_as(), id: canonical_uuid(id).unwrap_or_else(|| hashed(id)) }
    }
}

fn canonical_uuid(id: &str) -> Option<Uuid> {
    if id.len() != 36 || id.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(id).ok()
}

fn hashed(id: &str) -> Uuid {
    Uuid::from_bytes(first_16(&blake3::hash(id.as_bytes())))
}

pub(crate) fn first_16(hash: &blake3::Hash) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_in_any_byte_have_different_keys() {
        let ids = [
            "imp-1",
            "IMP-1",
            "imp-1 ",
            "é",
            "e\u{301}",
            "7f3c0b6a-8a3a-4a39-9f0e-0a6c1c8f7b11",
            "7F3C0B6A-8A3A-4A39-9F0E-0A6C1C8F7B11",
        ];
        for (i, a) in ids.iter().enumerate() {
            for b in &ids[i + 1..] {
                assert_ne!(
                    ClaimKey::new(Kind::RecordImpression, a),
                    ClaimKey::new(Kind::RecordImpression, b),
                    "{a} {b}"
                );
            }
        }
    }

    #[test]
    fn a_click_is_claimed_as_an_impression() {
        assert_eq!(ClaimKey::new(Kind::RecordClick, "x"), ClaimKey::new(Kind::RecordImpression, "x"));
        assert_ne!(ClaimKey::new(Kind::RecordConversion, "x"), ClaimKey::new(Kind::RecordImpression, "x"));
    }
}

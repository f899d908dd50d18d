//! One JSON object in which every key counts: none may be unknown, and none may be there twice.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::field::{Amount, Text, Verbatim, note};
use crate::{Code, Fault};

/// The keys of an object that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Keys {
    values: BTreeMap<String, Box<RawValue>>,
    repeated: BTreeSet<String>,
}

impl Keys {
    /// The value of `key`, as a text.
    pub(super) fn text(&mut self, key: &str) -> Text {
        // A JSON value is a text or it is Wrong: reading one cannot fail.
        self.values.remove(key).map_or(Text::Absent, |raw| serde_json::from_str(raw.get()).unwrap_or_default())
    }

    /// The value of `key`, as an amount.
    pub(super) fn amount(&mut self, key: &str) -> Amount {
        self.values.remove(key).map_or(Amount::Absent, |raw| Amount::Written(raw.get().into()))
    }

    /// The value of `key`, as it was written.
    pub(super) fn verbatim(&mut self, key: &str) -> Verbatim {
        Verbatim(self.values.remove(key).map(|raw| raw.get().into()))
    }

    /// Notes the keys that nobody took, of an object that `takes` others, and those that were there twice.
    pub(super) fn end(self, takes: &str, faults: &mut Vec<Fault>) {
        if !self.values.is_empty() {
            let unknown = Vec::from_iter(self.values.into_keys()).join(", ");
            note(faults, Code::Unsupported, "clave", &format!("no se conoce {unknown}; use {takes}"));
        }
        if !self.repeated.is_empty() {
            let repeated = Vec::from_iter(self.repeated).join(", ");
            note(faults, Code::Malformed, "clave", &format!("se repite {repeated}; deje una sola"));
        }
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
        let mut keys = Keys::default();
        while let Some((key, value)) = entries.next_entry::<String, Box<RawValue>>()? {
            if keys.values.insert(key.clone(), value).is_some() {
                keys.repeated.insert(key);
            }
        }
        Ok(keys)
    }
}

//! One JSON value as it was sent: absent, null and empty are three different things, and a wrong type is a fault of
//! that field only.

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use crate::{Code, Currency, Fault, Money, ids::ID_BYTES_MAX};

/// A value that should be a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Text {
    /// Not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A text, perhaps empty.
    Given(Box<str>),
    /// Any other type.
    Wrong,
}

impl Text {
    /// An identifier that must be there: not empty, not padded, not too long.
    pub(crate) fn required_id(self, path: &'static str, faults: &mut Vec<Fault>) -> Box<str> {
        match self {
            Self::Given(text) if !text.trim().is_empty() => {
                judge_id(&text, path, faults);
                text
            }
            Self::Wrong => note(faults, Code::Malformed, path, "debe ser un texto"),
            Self::Absent => note(faults, Code::MissingField, path, "falta"),
            Self::Null | Self::Given(_) => note(faults, Code::MissingField, path, "está vacío; dé un identificador"),
        }
    }

    /// An identifier that may be missing, null or empty: then there is none.
    pub(crate) fn optional_id(self, path: &'static str, faults: &mut Vec<Fault>) -> Option<Box<str>> {
        let text = self.optional(path, faults)?;
        judge_id(&text, path, faults);
        Some(text)
    }

    /// A text that may be missing, null or empty: then there is none.
    pub(crate) fn optional(self, path: &'static str, faults: &mut Vec<Fault>) -> Option<Box<str>> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Given(text) if text.is_empty() => None,
            Self::Given(text) => {
                judge_text(&text, path, faults);
                Some(text)
            }
            Self::Wrong => {
                note(faults, Code::Malformed, path, "debe ser un texto");
                None
            }
        }
    }
}

fn note(faults: &mut Vec<Fault>, code: Code, path: &'static str, detail: &str) -> Box<str> {
    faults.push(Fault { code, path, detail: detail.into() });
    "".into()
}

fn judge_id(text: &str, path: &'static str, faults: &mut Vec<Fault>) {
    judge_text(text, path, faults);
    if text.len() > ID_BYTES_MAX {
        note(faults, Code::InvalidValue, path, &format!("tiene más de {ID_BYTES_MAX} bytes"));
    }
    if text.trim().len() != text.len() {
        note(faults, Code::InvalidValue, path, "empieza o termina con espacios");
    }
}

/// PostgreSQL's texts hold every character but this one.
pub(crate) fn judge_text(text: &str, path: &'static str, faults: &mut Vec<Fault>) {
    if text.contains('\0') {
        note(faults, Code::InvalidValue, path, "contiene el carácter nulo (\\u0000)");
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Given(text.into()))
    }
    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::Wrong)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::Wrong)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::Wrong)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::Wrong)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::Wrong)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Text, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::Wrong)
    }
}

/// A value whose JSON text is kept as it was written: an amount, since a float would change it; a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verbatim(pub(crate) Option<Box<str>>);

impl<'de> Deserialize<'de> for Verbatim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Some(raw.get().into())))
    }
}

impl Verbatim {
    /// An amount as a JSON number or a decimal text; nothing when absent. Null and empty are faults.
    pub(crate) fn amount(&self, path: &'static str, currency: Currency, faults: &mut Vec<Fault>) -> Option<Money> {
        let written = self.0.as_deref()?;
        let mut fault = |code, detail: String| {
            faults.push(Fault { code, path, detail });
            None
        };
        let text = match written.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => written.to_owned(),
            Some(b'"') => serde_json::from_str(written).unwrap_or_default(),
            Some(b'n') => return fault(Code::InvalidValue, "es null; omítalo o dé un importe".into()),
            _ => return fault(Code::Malformed, "debe ser un número o un texto decimal".into()),
        };
        match Money::parse(&text, currency) {
            Ok(money) => Some(money),
            Err(error) => fault(Code::InvalidValue, error.to_string()),
        }
    }

    /// Whether it is absent or `null`.
    pub(crate) fn is_none(&self) -> bool {
        self.0.as_deref().is_none_or(|written| written == "null")
    }
}

/// The amount as content compares it: `150000.0` and `150000` are the same.
pub(crate) fn normalised(amount: Decimal) -> String {
    amount.normalize().to_string()
}

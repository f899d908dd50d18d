//! One JSON value as it was sent: absent, null and empty are three different things, and a wrong type is a fault of
//! that field only.

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use std::{borrow::Cow, fmt};

use crate::campaign::CHANGE_ALIGNMENT;
use crate::{BudgetPolicy, Code, Currency, Fault, Money, Timestamp, ids::ID_BYTES_MAX};

/// A value that should be a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Text {
    /// Not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A text, perhaps empty.
    Given(SmolStr),
    /// Any other type.
    Wrong,
}

impl Text {
    /// An identifier that must be there: not empty, not padded, not too long.
    pub(crate) fn required_id(self, path: &'static str, faults: &mut Vec<Fault>) -> SmolStr {
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
    pub(crate) fn optional_id(self, path: &'static str, faults: &mut Vec<Fault>) -> Option<SmolStr> {
        let text = self.optional(path, faults)?;
        judge_id(&text, path, faults);
        Some(text)
    }

    /// An instant; none when absent. Null is a fault that is mended as `omit` says, or by giving one.
    pub(crate) fn instant(&self, path: &'static str, omit: &str, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        match self {
            Self::Absent => return None,
            Self::Given(text) => match Timestamp::parse(text) {
                Ok(time) => return Some(time),
                Err(error) => note(faults, Code::InvalidTimestamp, path, &error.to_string()),
            },
            Self::Null => note(faults, Code::InvalidTimestamp, path, &format!("es null; {omit} o dé una fecha y hora")),
            Self::Wrong => note(faults, Code::Malformed, path, "debe ser un texto ISO 8601"),
        };
        None
    }

    /// The instant, if a sound one was given.
    pub(crate) fn sound_instant(&self) -> Option<Timestamp> {
        match self {
            Self::Given(text) => Timestamp::parse(text).ok(),
            Self::Absent | Self::Null | Self::Wrong => None,
        }
    }

    /// An instant that is the start of a minute; none when absent, as for [`instant`](Self::instant).
    pub(crate) fn minute(&self, path: &'static str, omit: &str, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        let instant = self.instant(path, omit, faults)?;
        if instant != instant.floor(CHANGE_ALIGNMENT) {
            note(faults, Code::InvalidTimestamp, path, "debe ser un minuto entero, como 2026-01-01T12:00:00Z");
            return None;
        }
        Some(instant)
    }

    /// A whole minute that may be taken back: absent says nothing, null says that there is none.
    pub(crate) fn nullable_minute(&self, path: &'static str, faults: &mut Vec<Fault>) -> Option<Option<Timestamp>> {
        if *self == Self::Null { Some(None) } else { self.minute(path, "omítala", faults).map(Some) }
    }

    /// A text that may be taken back: absent says nothing, null or empty says that there is none.
    pub(crate) fn nullable(self, path: &'static str, faults: &mut Vec<Fault>) -> Option<Option<SmolStr>> {
        if self == Self::Absent { None } else { Some(self.optional(path, faults)) }
    }

    /// A text of `bytes_max` at most that may be missing, null or empty: then there is none.
    pub(crate) fn bounded(self, path: &'static str, bytes_max: usize, faults: &mut Vec<Fault>) -> Option<SmolStr> {
        let text = self.optional(path, faults)?;
        if text.len() > bytes_max {
            note(faults, Code::InvalidValue, path, &format!("tiene más de {bytes_max} bytes; acórtelo"));
        }
        Some(text)
    }

    /// `politica_presupuesto`; none when absent.
    pub(crate) fn policy(&self, faults: &mut Vec<Fault>) -> Option<BudgetPolicy> {
        let (path, names) = ("politica_presupuesto", BudgetPolicy::ALL.map(BudgetPolicy::name).join(", "));
        let found = match self {
            Self::Absent => return None,
            Self::Given(name) => BudgetPolicy::ALL.into_iter().find(|policy| policy.name() == &**name),
            Self::Null | Self::Wrong => None,
        };
        if found.is_none() {
            note(faults, Code::InvalidValue, path, &format!("debe ser uno de {names}; o omítala"));
        }
        found
    }

    /// The same where null means absent.
    pub(crate) fn or_absent(self) -> Self {
        if self == Self::Null { Self::Absent } else { self }
    }

    /// A text that may be missing, null or empty: then there is none.
    pub(crate) fn optional(self, path: &'static str, faults: &mut Vec<Fault>) -> Option<SmolStr> {
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

/// Notes a fault; the empty text stands in for what is not there.
pub(crate) fn note(faults: &mut Vec<Fault>, code: Code, path: &'static str, detail: &str) -> SmolStr {
    faults.push(Fault { code, path, detail: detail.into() });
    "".into()
}

/// Faults of a part, as those of the whole under `path`.
pub(crate) fn within(path: &'static str, part: &str, faults: &mut Vec<Fault>) -> Vec<Fault> {
    let of_whole = |fault: Fault| Fault { path, detail: format!("{part}, {}: {}", fault.path, fault.detail), ..fault };
    faults.drain(..).map(of_whole).collect()
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

/// A value whose JSON text is kept as it was written: a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verbatim(pub(crate) Option<SmolStr>);

impl<'de> Deserialize<'de> for Verbatim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Some(raw.get().into())))
    }
}

/// A value that should be an amount.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Amount {
    /// Not there.
    #[default]
    Absent,
    /// JSON's text as it was written, since a float would change it.
    Written(SmolStr),
    /// An exact number: Avro's decimal or long.
    Exact(Decimal),
    /// What old producers send.
    Float(f32),
}

/// An amount that was sent, judged.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) money: Money,
    /// What was said, for content: `150000.0` and `150000` are the same.
    pub(crate) content: String,
    pub(crate) inexact: bool,
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::Written(<&RawValue>::deserialize(deserializer)?.get().into()))
    }
}

impl Amount {
    /// The amount; nothing when absent. In JSON it is a number or a decimal text, null and empty are faults.
    pub(crate) fn judge(&self, path: &'static str, currency: Currency, faults: &mut Vec<Fault>) -> Option<Sent> {
        let exact = |money: Money| Sent { content: money.amount().to_string(), money, inexact: false };
        let judged = match self {
            Self::Absent => return None,
            Self::Written(written) => Money::parse(&decimal_text(written, path, faults)?, currency).map(exact),
            Self::Exact(amount) => Money::exact(*amount, currency).map(exact),
            Self::Float(float) => Money::from_f32(*float, currency).map(|read| Sent {
                money: read.money,
                content: read.written,
                inexact: read.inexact,
            }),
        };
        judged.map_err(|error| note(faults, Code::InvalidValue, path, &error.to_string())).ok()
    }

    /// Whether it is absent or `null`.
    pub(crate) fn is_none(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Written(written) => &**written == "null",
            Self::Exact(_) | Self::Float(_) => false,
        }
    }
}

pub(crate) fn decimal_text<'a>(written: &'a str, path: &'static str, faults: &mut Vec<Fault>) -> Option<Cow<'a, str>> {
    match written.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => return Some(written.into()),
        Some(b'"') => return Some(serde_json::from_str::<String>(written).unwrap_or_default().into()),
        Some(b'n') => note(faults, Code::InvalidValue, path, "es null; omítalo o dé un importe"),
        _ => note(faults, Code::Malformed, path, "debe ser un número o un texto decimal"),
    };
    None
}

//! Avro commands, read into the same records as JSON ones, so that there is one place where commands are judged.
//!
//! In Avro null and `""` are the same as missing: the users' system fills in `""` for what its client did not send.

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};
use std::{fmt, io::BufRead};

use super::alpes::ComandoAlpes;
use super::campaign::CampaignRecord;
use super::field::{Amount, Text, Verbatim};
use super::tracking::TrackingRecord;
use super::{Record, decode};
use crate::avro::{DEPTH_MAX, Layout, WriterSchema};
use crate::message::PAYLOAD_BYTES_MAX;
use crate::{Code, Faults, Kind};

/// The longest datum read: a command's payload, and what Avro and an id from the edge may add to one that was JSON.
pub const DATUM_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 256;
/// The longest list read: an item takes at least a byte, so a longer one is a lie, which must not cost its own length.
const LIST_MAX: usize = PAYLOAD_BYTES_MAX;

/// Reads an Avro command, written with `schema`.
pub fn decode_avro(schema: &WriterSchema, payload: &[u8]) -> Result<Record, Faults> {
    Ok(match schema.layout() {
        Layout::Impression => tracking(Kind::RecordImpression, read::<Impression<'_>>(schema, payload)?.into()),
        Layout::Conversion => tracking(Kind::RecordConversion, read::<Conversion<'_>>(schema, payload)?.into()),
        Layout::Campaign => match read::<CreateCampaign<'_>>(schema, payload)?.data {
            Some(data) => Record::Campaign(Box::new(data.into())),
            None => return Err(Faults::one(Code::MissingField, "data", "falta; dé la campaña en data")),
        },
        Layout::Alpes => {
            let record = read::<ComandoAlpes<'_>>(schema, payload)?;
            match record.crudo {
                Some(json) => decode(None, json)?,
                None => record.into_record()?,
            }
        }
    })
}

fn tracking(kind: Kind, record: TrackingRecord) -> Record {
    Record::tracking(kind, Box::new(record))
}

fn read<'a, T: Deserialize<'a>>(schema: &WriterSchema, payload: &'a [u8]) -> Result<T, Faults> {
    let malformed = |what: String| Faults::one(Code::Malformed, "", what);
    let bytes_max = if schema.layout() == Layout::Alpes { DATUM_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
    if payload.len() > bytes_max {
        return Err(malformed(format!("tiene {} bytes; el máximo es {bytes_max}", payload.len())));
    }
    let mut config = DeserializerConfig::new(schema.schema());
    config.max_seq_size = LIST_MAX;
    config.allowed_depth = DEPTH_MAX;
    let mut state = DeserializerState::with_config(SliceRead::new(payload), config);
    let record =
        T::deserialize(state.deserializer()).map_err(|error| malformed(unreadable(schema, payload, &error)))?;
    // A schema that is not the writer's may read a start of anything; only what it reads to the end is this record.
    let left = state.into_reader().fill_buf().map_or(0, <[u8]>::len);
    if left == 0 {
        return Ok(record);
    }
    Err(malformed(format!(
        "sobran {left} de {} bytes después del registro Avro {}; envíe un solo registro por mensaje, con el esquema de \
         su tópico",
        payload.len(),
        schema.name()
    )))
}

fn unreadable(schema: &WriterSchema, payload: &[u8], error: &dyn fmt::Display) -> String {
    let name = schema.name();
    match payload.trim_ascii_start().first() {
        None => format!("el mensaje está vacío; se espera un registro Avro {name}"),
        Some(b'{' | b'[') => format!("parece JSON; este tópico lleva el registro Avro {name}: envíelo con su esquema"),
        Some(_) => format!("no es un registro Avro {name} ({error}); envíelo entero y con el esquema de su tópico"),
    }
}

/// What was sent as a text: null and empty are nothing.
pub(super) fn text(sent: Option<&str>) -> Text {
    sent.filter(|text| !text.is_empty()).map_or(Text::Absent, |text| Text::Given(text.into()))
}

/// An id of a command: one of blanks only is none, too.
pub(super) fn id(sent: Option<&str>) -> Text {
    text(sent.filter(|text| !text.trim().is_empty()))
}

/// A list of texts as the JSON that it would have been.
pub(super) fn texts(sent: Option<&[impl AsRef<str>]>) -> Verbatim {
    let texts: Option<Vec<&str>> = sent.map(|texts| texts.iter().map(AsRef::as_ref).collect());
    Verbatim(texts.and_then(|texts| serde_json::to_string(&texts).ok()).map(Into::into))
}

/// Exact money; Avro's decimals are handed out as texts.
pub(super) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    struct Text(Decimal);
    struct TextVisitor;

    impl Visitor<'_> for TextVisitor {
        type Value = Text;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
            Decimal::from_str_exact(text).map(Text).map_err(E::custom)
        }
    }

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(TextVisitor)
        }
    }

    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
}

/// `ComandoRegistrarImpresion`.
#[derive(serde::Deserialize)]
struct Impression<'a> {
    #[serde(default)]
    id: Option<&'a str>,
    #[serde(default, rename = "campaña_id")]
    campaign_id: Option<&'a str>,
    #[serde(default)]
    influencer_id: Option<&'a str>,
    #[serde(default)]
    usuario_id: Option<&'a str>,
    #[serde(default)]
    tipo_evento: Option<&'a str>,
    #[serde(default)]
    user_agent: Option<&'a str>,
    #[serde(default)]
    ip_address: Option<&'a str>,
    #[serde(default)]
    referrer: Option<&'a str>,
    #[serde(default)]
    timestamp: Option<&'a str>,
}

impl From<Impression<'_>> for TrackingRecord {
    fn from(sent: Impression<'_>) -> Self {
        Self {
            id: id(sent.id),
            campaign_id: text(sent.campaign_id),
            influencer_id: text(sent.influencer_id),
            usuario_id: text(sent.usuario_id),
            tipo_evento: text(sent.tipo_evento),
            user_agent: text(sent.user_agent),
            ip_address: text(sent.ip_address),
            referrer: text(sent.referrer),
            timestamp: text(sent.timestamp),
            ..Self::default()
        }
    }
}

/// `ComandoRegistrarConversion`.
#[derive(serde::Deserialize)]
struct Conversion<'a> {
    #[serde(default)]
    id: Option<&'a str>,
    #[serde(default, rename = "campaña_id")]
    campaign_id: Option<&'a str>,
    #[serde(default)]
    influencer_id: Option<&'a str>,
    #[serde(default)]
    usuario_id: Option<&'a str>,
    #[serde(default)]
    tipo_conversion: Option<&'a str>,
    #[serde(default)]
    valor: Option<f32>,
    #[serde(default)]
    moneda: Option<&'a str>,
    #[serde(default)]
    user_agent: Option<&'a str>,
    #[serde(default)]
    ip_address: Option<&'a str>,
    #[serde(default)]
    referrer: Option<&'a str>,
    #[serde(default)]
    timestamp: Option<&'a str>,
}

impl From<Conversion<'_>> for TrackingRecord {
    fn from(sent: Conversion<'_>) -> Self {
        Self {
            id: id(sent.id),
            campaign_id: text(sent.campaign_id),
            influencer_id: text(sent.influencer_id),
            usuario_id: text(sent.usuario_id),
            tipo_conversion: text(sent.tipo_conversion),
            valor: sent.valor.map_or(Amount::Absent, Amount::Float),
            moneda: text(sent.moneda),
            user_agent: text(sent.user_agent),
            ip_address: text(sent.ip_address),
            referrer: text(sent.referrer),
            timestamp: text(sent.timestamp),
            ..Self::default()
        }
    }
}

/// `ComandoCrearCampaña`.
#[derive(serde::Deserialize)]
struct CreateCampaign<'a> {
    #[serde(default, borrow)]
    data: Option<CreateCampaignPayload<'a>>,
}

/// Its `fecha_creacion` is the time at which the users' system passed it on, which nobody asked for.
#[derive(serde::Deserialize)]
struct CreateCampaignPayload<'a> {
    #[serde(default)]
    id: Option<&'a str>,
    #[serde(default)]
    nombre: Option<&'a str>,
    #[serde(default)]
    producto: Option<&'a str>,
    #[serde(default)]
    presupuesto: Option<i64>,
    #[serde(default)]
    moneda: Option<&'a str>,
    #[serde(default)]
    marca: Option<&'a str>,
    #[serde(default, borrow)]
    influencers_ids: Option<Vec<&'a str>>,
    #[serde(default, borrow)]
    conversiones: Option<Vec<&'a str>>,
}

impl From<CreateCampaignPayload<'_>> for CampaignRecord {
    fn from(sent: CreateCampaignPayload<'_>) -> Self {
        Self {
            id: id(sent.id),
            nombre: text(sent.nombre),
            producto: text(sent.producto),
            presupuesto: sent.presupuesto.map_or(Amount::Absent, |budget| Amount::Exact(budget.into())),
            moneda: text(sent.moneda),
            marca: text(sent.marca),
            influencers_ids: texts(sent.influencers_ids.as_deref()),
            conversiones: texts(sent.conversiones.as_deref()),
            ..Self::default()
        }
    }
}

//! What Alpes announces: the users' events byte for byte as their system writes them, and one record of its own.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_avro_fast::Schema;
use std::sync::LazyLock;
use uuid::Uuid;

use super::{AvroError, datum, schema_text};
use crate::commission::{Cause, Concept};
use crate::{Money, Timestamp};

macro_rules! schema_of {
    ($name:ident, $topic:literal) => {
        static $name: LazyLock<Result<Schema, AvroError>> = LazyLock::new(|| {
            schema_text($topic).unwrap_or_default().parse().map_err(|error| AvroError::Schema(format!("{error}")))
        });
    };
}
schema_of!(IMPRESSION_REGISTERED, "evento-impresion-registrada");
schema_of!(CONVERSION_REGISTERED, "evento-conversion-registrada");
schema_of!(CAMPAIGN_CREATED, "eventos-campana");
schema_of!(REGISTERED, "alpes-eventos");
schema_of!(COMMISSION_CALCULATED, "comision-calculada");

/// A counted impression, or click.
#[derive(Debug, Clone, Copy)]
pub struct ImpressionRegistered<'a> {
    /// The command's id.
    pub id: &'a str,
    /// `campaña_id`.
    pub campaign: &'a str,
    /// `influencer_id`.
    pub influencer: Option<&'a str>,
    /// `usuario_id`.
    pub user: Option<&'a str>,
    /// `tipo_evento`: IMPRESION or CLICK.
    pub event_type: &'a str,
    /// The browser.
    pub user_agent: Option<&'a str>,
    /// The network address.
    pub ip_address: Option<&'a str>,
    /// The page before.
    pub referrer: Option<&'a str>,
    /// When it happened, in ISO 8601.
    pub timestamp: &'a str,
}

/// A counted conversion.
#[derive(Debug, Clone, Copy)]
pub struct ConversionRegistered<'a> {
    /// The command's id.
    pub id: &'a str,
    /// `campaña_id`.
    pub campaign: &'a str,
    /// `influencer_id`.
    pub influencer: Option<&'a str>,
    /// `usuario_id`.
    pub user: Option<&'a str>,
    /// `tipo_conversion`: VENTA and so on.
    pub conversion_type: &'a str,
    /// `valor` and `moneda`.
    pub amount: Money,
    /// The browser.
    pub user_agent: Option<&'a str>,
    /// The network address.
    pub ip_address: Option<&'a str>,
    /// The page before.
    pub referrer: Option<&'a str>,
    /// When it happened, in ISO 8601.
    pub timestamp: &'a str,
}

/// `evento` of `EventoAlpes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventName {
    /// `impresion-registrada`.
    ImpressionRegistered,
    /// `clic-registrado`.
    ClickRegistered,
    /// `conversion-registrada`.
    ConversionRegistered,
    /// `campaña-creada`.
    CampaignCreated,
}

impl EventName {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImpressionRegistered => "impresion-registrada",
            Self::ClickRegistered => "clic-registrado",
            Self::ConversionRegistered => "conversion-registrada",
            Self::CampaignCreated => "campaña-creada",
        }
    }
}

/// `EventoAlpes`: what the users' events cannot say. What is none goes out as null.
#[derive(Debug, Clone, Copy)]
pub struct AlpesEvent<'a> {
    /// What happened.
    pub event: EventName,
    /// The event's own id, the same whenever it is made again.
    pub id: Uuid,
    /// `comando_id`.
    pub command_id: &'a str,
    /// `campaña_id`.
    pub campaign: &'a str,
    /// `influencer_id`.
    pub influencer: Option<&'a str>,
    /// `usuario_id`.
    pub user: Option<&'a str>,
    /// `tipo_evento`.
    pub event_type: Option<&'a str>,
    /// `tipo_conversion`.
    pub conversion_type: Option<&'a str>,
    /// `valor`, exact, and `moneda`.
    pub amount: Option<Money>,
    /// When it happened, in ISO 8601.
    pub timestamp: Option<&'a str>,
}

#[derive(Serialize)]
struct EventoImpresionRegistrada<'a> {
    id: &'a str,
    #[serde(rename = "campaña_id")]
    campaign: &'a str,
    influencer_id: &'a str,
    usuario_id: &'a str,
    tipo_evento: &'a str,
    user_agent: &'a str,
    ip_address: &'a str,
    referrer: &'a str,
    timestamp: &'a str,
}

/// `EventoImpresionRegistrada`, as a datum without header. What is none goes out as `""`, as in the users' system.
pub fn impression_registered(event: &ImpressionRegistered<'_>) -> Result<Vec<u8>, AvroError> {
    let record = EventoImpresionRegistrada {
        id: event.id,
        campaign: event.campaign,
        influencer_id: event.influencer.unwrap_or_default(),
        usuario_id: event.user.unwrap_or_default(),
        tipo_evento: event.event_type,
        user_agent: event.user_agent.unwrap_or_default(),
        ip_address: event.ip_address.unwrap_or_default(),
        referrer: event.referrer.unwrap_or_default(),
        timestamp: event.timestamp,
    };
    datum(IMPRESSION_REGISTERED.as_ref().map_err(Clone::clone)?, &record)
}

#[derive(Serialize)]
struct EventoConversionRegistrada<'a> {
    id: &'a str,
    #[serde(rename = "campaña_id")]
    campaign: &'a str,
    influencer_id: &'a str,
    usuario_id: &'a str,
    tipo_conversion: &'a str,
    valor: f32,
    moneda: &'a str,
    user_agent: &'a str,
    ip_address: &'a str,
    referrer: &'a str,
    timestamp: &'a str,
}

/// `EventoConversionRegistrada`, as a datum without header; its amount is the nearest f32 to the exact one.
pub fn conversion_registered(event: &ConversionRegistered<'_>) -> Result<Vec<u8>, AvroError> {
    let record = EventoConversionRegistrada {
        id: event.id,
        campaign: event.campaign,
        influencer_id: event.influencer.unwrap_or_default(),
        usuario_id: event.user.unwrap_or_default(),
        tipo_conversion: event.conversion_type,
        valor: nearest_f32(event.amount.amount())?,
        moneda: event.amount.currency().code(),
        user_agent: event.user_agent.unwrap_or_default(),
        ip_address: event.ip_address.unwrap_or_default(),
        referrer: event.referrer.unwrap_or_default(),
        timestamp: event.timestamp,
    };
    datum(CONVERSION_REGISTERED.as_ref().map_err(Clone::clone)?, &record)
}

/// By way of the text, since going by f64 would round twice.
fn nearest_f32(amount: Decimal) -> Result<f32, AvroError> {
    amount.to_string().parse().map_err(|error| AvroError::Record(format!("{amount}: {error}")))
}

#[derive(Serialize)]
struct EventoAlpes<'a> {
    evento: &'a str,
    id: &'a str,
    comando_id: &'a str,
    #[serde(rename = "campaña_id")]
    campaign: &'a str,
    influencer_id: Option<&'a str>,
    usuario_id: Option<&'a str>,
    tipo_evento: Option<&'a str>,
    tipo_conversion: Option<&'a str>,
    #[serde(serialize_with = "decimal")]
    valor: Option<Decimal>,
    moneda: Option<&'a str>,
    timestamp: Option<&'a str>,
}

/// `EventoAlpes`, as a datum without header.
pub fn registered(event: &AlpesEvent<'_>) -> Result<Vec<u8>, AvroError> {
    let mut id = Uuid::encode_buffer();
    let record = EventoAlpes {
        evento: event.event.name(),
        id: event.id.hyphenated().encode_lower(&mut id),
        comando_id: event.command_id,
        campaign: event.campaign,
        influencer_id: event.influencer,
        usuario_id: event.user,
        tipo_evento: event.event_type,
        tipo_conversion: event.conversion_type,
        valor: event.amount.map(Money::amount),
        moneda: event.amount.map(|amount| amount.currency().code()),
        timestamp: event.timestamp,
    };
    datum(REGISTERED.as_ref().map_err(Clone::clone)?, &record)
}

/// A decimal is written by way of its text, which the encoder scales as the schema says.
pub(crate) fn decimal<S: Serializer>(amount: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(amount) => serializer.collect_str(amount),
        None => serializer.serialize_none(),
    }
}

#[derive(Serialize)]
#[serde(rename = "EventoCampañaCreada")]
struct CampaignCreated<'a> {
    data: CampaignCreatedPayload<'a>,
}

#[derive(Serialize)]
struct CampaignCreatedPayload<'a> {
    id: &'a str,
}

/// `EventoCampañaCreada` for the campaign `id`, as a datum without header.
pub fn campaign_created(id: &str) -> Result<Vec<u8>, AvroError> {
    let record = CampaignCreated { data: CampaignCreatedPayload { id } };
    datum(CAMPAIGN_CREATED.as_ref().map_err(Clone::clone)?, &record)
}

/// A posting of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct CommissionCalculated<'a> {
    /// The event's own id, the same whenever it is made again.
    pub id: Uuid,
    /// `pago_id`: the posting's number.
    pub posting: i64,
    /// `campaña_id`.
    pub campaign: &'a str,
    /// `influencer_id`.
    pub influencer: &'a str,
    /// `monto_comision`: in the influencer's favour; below 0 against.
    pub amount: Decimal,
    /// `moneda`.
    pub currency: &'a str,
    /// What it is about.
    pub concept: Concept,
    /// Why.
    pub cause: Cause,
    /// The conversion that it is about, if it is one.
    pub conversion: Option<&'a str>,
    /// The event time that it is about: from and to.
    pub span: (Timestamp, Timestamp),
    /// `terminos_id`: the command that defined the terms.
    pub terms: &'a str,
    /// The rule's number in them.
    pub rule: i16,
    /// The posting that this takes back, or a part of.
    pub reverses: Option<i64>,
    /// When it was posted.
    pub posted_at: Timestamp,
}

#[derive(Serialize)]
struct EventoComisionCalculada<'a> {
    id: &'a str,
    pago_id: String,
    #[serde(rename = "campaña_id")]
    campaign: &'a str,
    influencer_id: &'a str,
    #[serde(serialize_with = "decimal")]
    monto_comision: Option<Decimal>,
    moneda: &'a str,
    concepto: &'a str,
    causa: &'a str,
    conversion_id: Option<&'a str>,
    ventana_desde: String,
    ventana_hasta: String,
    terminos_id: &'a str,
    regla: i32,
    revierte_pago_id: Option<String>,
    timestamp: String,
}

/// `EventoComisionCalculada`, as a datum without header.
pub fn commission_calculated(event: &CommissionCalculated<'_>) -> Result<Vec<u8>, AvroError> {
    let mut id = Uuid::encode_buffer();
    let record = EventoComisionCalculada {
        id: event.id.hyphenated().encode_lower(&mut id),
        pago_id: event.posting.to_string(),
        campaign: event.campaign,
        influencer_id: event.influencer,
        monto_comision: Some(event.amount),
        moneda: event.currency,
        concepto: event.concept.name(),
        causa: event.cause.name(),
        conversion_id: event.conversion,
        ventana_desde: event.span.0.to_string(),
        ventana_hasta: event.span.1.to_string(),
        terminos_id: event.terms,
        regla: event.rule.into(),
        revierte_pago_id: event.reverses.map(|posting| posting.to_string()),
        timestamp: event.posted_at.to_string(),
    };
    datum(COMMISSION_CALCULATED.as_ref().map_err(Clone::clone)?, &record)
}

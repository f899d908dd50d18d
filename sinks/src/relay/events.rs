//! What is said of a raw row: the users' event, byte for byte as their system writes it, and Alpes' own.

use schemas::avro::{self, AlpesEvent, AvroError, ConversionRegistered, EventName, ImpressionRegistered};
use std::borrow::Cow;
use uuid::Uuid;

use super::names::NamesByNumber;
use super::rows::{RawRow, RowKind};
use crate::SinkError;
use crate::outbox::WaitingEvent;
use crate::pulsar::{CONVERSION_REGISTERED, EVENTS, IMPRESSION_REGISTERED};

/// An event that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The topic's bare name.
    pub topic: Cow<'static, str>,
    /// Events of one key stay in order: campaign and influencer.
    pub key: String,
    /// The same whenever the event is made again, and on every topic that it goes to.
    pub id: Uuid,
    /// Avro, as the topic's schema says.
    pub payload: Vec<u8>,
}

/// The id of what `event` says of the command `command_id`.
pub fn event_id(event: EventName, command_id: &str) -> Uuid {
    schemas::ids::derived_uuid(&format!("{}/{command_id}", event.name()))
}

impl From<WaitingEvent> for Event {
    fn from(waiting: WaitingEvent) -> Self {
        Self { topic: waiting.topic.into(), key: waiting.key, id: waiting.event_id, payload: waiting.payload }
    }
}

/// Both events of a row.
pub(super) fn of_row(
    row: &RawRow,
    campaigns: &NamesByNumber,
    influencers: &NamesByNumber,
    events: &mut Vec<Event>,
) -> Result<(), SinkError> {
    let campaign = campaigns.name(row.campaign)?.ok_or(sqlx::Error::RowNotFound)?;
    let influencer = influencers.name(row.influencer)?;
    let said = Said { row, campaign, influencer, timestamp: row.event_time.to_string() };
    let (id, key) = (event_id(said.name(), &row.id), format!("{campaign}/{}", influencer.unwrap_or_default()));
    let encoding = |error: AvroError| SinkError::Encoding(format!("the event of {}: {error}", row.id));
    let (topic, users) = said.users_event().map_err(encoding)?;
    let ours = said.own_event(id).map_err(encoding)?;
    events.push(Event { topic: topic.into(), key: key.clone(), id, payload: users });
    events.push(Event { topic: EVENTS.into(), key, id, payload: ours });
    Ok(())
}

/// A row, in words.
struct Said<'a> {
    row: &'a RawRow,
    campaign: &'a str,
    influencer: Option<&'a str>,
    timestamp: String,
}

impl Said<'_> {
    const fn name(&self) -> EventName {
        match self.row.kind {
            RowKind::Impression => EventName::ImpressionRegistered,
            RowKind::Click => EventName::ClickRegistered,
            RowKind::Conversion { .. } => EventName::ConversionRegistered,
        }
    }

    /// `tipo_evento`.
    const fn event_type(&self) -> Option<&'static str> {
        match self.row.kind {
            RowKind::Impression => Some("IMPRESION"),
            RowKind::Click => Some("CLICK"),
            RowKind::Conversion { .. } => None,
        }
    }

    fn users_event(&self) -> Result<(&'static str, Vec<u8>), AvroError> {
        let row = self.row;
        let RowKind::Conversion { kind, amount } = row.kind else {
            let event = ImpressionRegistered {
                id: &row.id,
                campaign: self.campaign,
                influencer: self.influencer,
                user: row.user.as_deref(),
                event_type: self.event_type().unwrap_or_default(),
                user_agent: row.user_agent.as_deref(),
                ip_address: row.ip_address.as_deref(),
                referrer: row.referrer.as_deref(),
                timestamp: &self.timestamp,
            };
            return Ok((IMPRESSION_REGISTERED, avro::impression_registered(&event)?));
        };
        let event = ConversionRegistered {
            id: &row.id,
            campaign: self.campaign,
            influencer: self.influencer,
            user: row.user.as_deref(),
            conversion_type: kind.name(),
            amount,
            user_agent: row.user_agent.as_deref(),
            ip_address: row.ip_address.as_deref(),
            referrer: row.referrer.as_deref(),
            timestamp: &self.timestamp,
        };
        Ok((CONVERSION_REGISTERED, avro::conversion_registered(&event)?))
    }

    fn own_event(&self, id: Uuid) -> Result<Vec<u8>, AvroError> {
        let (conversion_type, amount) = match self.row.kind {
            RowKind::Conversion { kind, amount } => (Some(kind.name()), Some(amount)),
            RowKind::Impression | RowKind::Click => (None, None),
        };
        avro::registered(&AlpesEvent {
            event: self.name(),
            id,
            command_id: &self.row.id,
            campaign: self.campaign,
            influencer: self.influencer,
            user: self.row.user.as_deref(),
            event_type: self.event_type(),
            conversion_type,
            amount,
            timestamp: Some(&self.timestamp),
        })
    }
}

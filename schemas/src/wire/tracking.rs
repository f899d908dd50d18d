//! `registrar-impresion` and `registrar-conversion`, as the users' clients write them.

use serde::Deserialize;
use smol_str::SmolStr;
use std::net::IpAddr;

use super::field::{Amount, Text, note};
use super::{Context, FUTURE_MAX, Privacy, command_id};
use crate::content::ContentBuilder;
use crate::{
    Code, ConversionKind, Currency, EventKind, Fault, Faults, InfluencerId, Kind, Money, Timestamp, TrackingEvent,
};

/// An impression, click or conversion as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct TrackingRecord {
    #[serde(skip, default = "impression")]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) comando: Text,
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default, rename = "campaña_id")]
    pub(super) campaign_id: Text,
    #[serde(default)]
    pub(super) influencer_id: Text,
    #[serde(default)]
    pub(super) usuario_id: Text,
    #[serde(default)]
    pub(super) tipo_evento: Text,
    #[serde(default)]
    pub(super) tipo_conversion: Text,
    #[serde(default)]
    pub(super) valor: Amount,
    #[serde(default)]
    pub(super) moneda: Text,
    #[serde(default)]
    pub(super) user_agent: Text,
    #[serde(default)]
    pub(super) ip_address: Text,
    #[serde(default)]
    pub(super) referrer: Text,
    #[serde(default)]
    pub(super) timestamp: Text,
}

const fn impression() -> Kind {
    Kind::RecordImpression
}

/// A command that says nothing yet.
impl Default for TrackingRecord {
    fn default() -> Self {
        Self {
            kind: impression(),
            comando: Text::Absent,
            id: Text::Absent,
            campaign_id: Text::Absent,
            influencer_id: Text::Absent,
            usuario_id: Text::Absent,
            tipo_evento: Text::Absent,
            tipo_conversion: Text::Absent,
            valor: Amount::Absent,
            moneda: Text::Absent,
            user_agent: Text::Absent,
            ip_address: Text::Absent,
            referrer: Text::Absent,
            timestamp: Text::Absent,
        }
    }
}

impl TrackingRecord {
    pub(super) fn event_time(&self) -> Option<Timestamp> {
        self.timestamp.sound_instant()
    }

    pub(super) fn validate(mut self, context: Context<'_>, privacy: Privacy) -> Result<TrackingEvent, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(std::mem::take(&mut self.id), context, faults);
        let campaign = std::mem::take(&mut self.campaign_id).required_id("campaña_id", faults);
        let influencer = std::mem::take(&mut self.influencer_id).optional_id("influencer_id", faults);
        let user = std::mem::take(&mut self.usuario_id).optional("usuario_id", faults);
        let user_agent = std::mem::take(&mut self.user_agent).optional("user_agent", faults);
        let ip_address = std::mem::take(&mut self.ip_address).optional("ip_address", faults);
        let referrer = std::mem::take(&mut self.referrer).optional("referrer", faults);
        let sent_time = sent_time(&self.timestamp, context, faults);
        let content = ContentBuilder::new(self.kind.name())
            .text(Some(&id))
            .text(Some(&campaign))
            .text(influencer.as_deref())
            .text(user.as_deref())
            .time(sent_time);
        let (kind, content) = match self.kind {
            Kind::RecordConversion => self.conversion(content, faults),
            _ => self.impression(content, faults),
        };
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        Ok(TrackingEvent {
            id,
            campaign: campaign.into(),
            influencer: influencer.map(InfluencerId::from),
            user,
            user_agent: user_agent.and_then(|agent| private_agent(agent, privacy)),
            ip_address: ip_address.and_then(|ip| private_ip(ip, privacy)),
            referrer,
            event_time: sent_time.unwrap_or(context.published_at),
            kind,
            content: content.build(),
        })
    }

    fn impression(&self, content: ContentBuilder, faults: &mut Vec<Fault>) -> (EventKind, ContentBuilder) {
        let by_clicks = self.kind == Kind::RecordClick;
        let default = if by_clicks { "CLICK" } else { "IMPRESION" };
        let name = one_of(&self.tipo_evento, default, "tipo_evento", faults);
        let sent = (by_clicks || self.tipo_evento != Text::Absent).then_some(name);
        let kind = match name {
            "IMPRESION" if !by_clicks => EventKind::Impression,
            "CLICK" => EventKind::Click,
            _ => {
                let allowed = if by_clicks { "debe ser CLICK" } else { "debe ser IMPRESION o CLICK" };
                faults.push(Fault { code: Code::InvalidValue, path: "tipo_evento", detail: allowed.into() });
                EventKind::Impression
            }
        };
        (kind, content.text(sent))
    }

    fn conversion(&self, content: ContentBuilder, faults: &mut Vec<Fault>) -> (EventKind, ContentBuilder) {
        let name = one_of(&self.tipo_conversion, "VENTA", "tipo_conversion", faults);
        let kind = ConversionKind::from_name(name).unwrap_or_else(|| {
            let allowed = ConversionKind::ALL.map(ConversionKind::name).join(", ");
            faults.push(Fault {
                code: Code::InvalidValue,
                path: "tipo_conversion",
                detail: format!("debe ser uno de {allowed}"),
            });
            ConversionKind::Sale
        });
        let currency = currency(&self.moneda, faults);
        let sent = self.valor.judge("valor", currency, faults);
        let content = content
            .text((self.tipo_conversion != Text::Absent).then_some(name))
            .text(sent.as_ref().map(|sent| &*sent.content))
            .text((self.moneda != Text::Absent).then_some(currency.code()));
        let (amount, inexact) = sent.map_or((Money::zero(currency), false), |sent| (sent.money, sent.inexact));
        (EventKind::Conversion { kind, amount, inexact }, content)
    }
}

/// The event time that was sent, if any; it may hardly lie ahead of its publication.
pub(super) fn sent_time(sent: &Text, context: Context<'_>, faults: &mut Vec<Fault>) -> Option<Timestamp> {
    let time = sent.instant("timestamp", "omítalo", faults)?;
    if time > context.published_at.plus(FUTURE_MAX) {
        let detail = format!("está más de {} minutos en el futuro", FUTURE_MAX.as_secs() / 60);
        note(faults, Code::Future, "timestamp", &detail);
        return None;
    }
    Some(time)
}

/// The text of one of a list of names; `default` where none was sent. The caller judges the name.
pub(super) fn one_of<'a>(sent: &'a Text, default: &'a str, path: &'static str, faults: &mut Vec<Fault>) -> &'a str {
    match sent {
        Text::Absent => default,
        Text::Given(name) => name,
        Text::Null => "",
        Text::Wrong => {
            faults.push(Fault { code: Code::Malformed, path, detail: "debe ser un texto".into() });
            default
        }
    }
}

/// The currency; COP where none was sent, and also after a fault, so that the amount is judged all the same.
pub(super) fn currency(sent: &Text, faults: &mut Vec<Fault>) -> Currency {
    let (code, detail) = match sent {
        Text::Absent => return Currency::Cop,
        Text::Wrong => (Code::Malformed, "debe ser un texto".to_owned()),
        Text::Null => (Code::UnknownCurrency, "es null; omítala (COP) o dé COP, USD o EUR".to_owned()),
        Text::Given(name) => match name.parse() {
            Ok(currency) => return currency,
            Err(()) => {
                let known = Currency::ALL.map(Currency::code).join(", ");
                (Code::UnknownCurrency, format!("no se conoce; una de {known}"))
            }
        },
    };
    faults.push(Fault { code, path: "moneda", detail });
    Currency::Cop
}

fn private_agent(agent: SmolStr, privacy: Privacy) -> Option<SmolStr> {
    match privacy {
        Privacy::AsSent => Some(agent),
        Privacy::Truncate => agent.split(' ').next().map(Into::into),
        Privacy::Drop => None,
    }
}

fn private_ip(ip: SmolStr, privacy: Privacy) -> Option<SmolStr> {
    match privacy {
        Privacy::AsSent => Some(ip),
        Privacy::Truncate => Some(network_of(ip.parse().ok()?).into()),
        Privacy::Drop => None,
    }
}

/// The /24 of an IPv4 address, the /48 of an IPv6 one.
fn network_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
    }
}

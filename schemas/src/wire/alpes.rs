//! `ComandoAlpes`, the record of Alpes' own topic: every command in one record, both ways.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;

use super::campaign::CampaignRecord;
use super::datum::{decimal, id, text, texts};
use super::edit::EditRecord;
use super::field::{Amount, Text, Verbatim};
use super::influencer::InfluencerRecord;
use super::membership::MembershipRecord;
use super::reversal::ReversalRecord;
use super::state::StateRecord;
use super::terms::TermsRecord;
use super::tracking::{TrackingRecord, currency};
use super::{Record, kind_of, unknown};
use crate::{CampaignState, Faults, Kind};

/// A command, field by field; or `crudo`, as it was sent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ComandoAlpes<'a> {
    #[serde(default)]
    comando: Option<&'a str>,
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
    tipo_conversion: Option<&'a str>,
    #[serde(default, deserialize_with = "decimal", serialize_with = "crate::avro::decimal")]
    valor: Option<Decimal>,
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
    #[serde(default)]
    nombre: Option<&'a str>,
    #[serde(default)]
    producto: Option<&'a str>,
    #[serde(default, deserialize_with = "decimal", serialize_with = "crate::avro::decimal")]
    presupuesto: Option<Decimal>,
    #[serde(default)]
    marca: Option<&'a str>,
    #[serde(default)]
    influencers_ids: Option<Vec<Cow<'a, str>>>,
    #[serde(default)]
    conversiones: Option<&'a str>,
    #[serde(default, serialize_with = "bytes")]
    pub(super) crudo: Option<&'a [u8]>,
    #[serde(default)]
    vigente_desde: Option<&'a str>,
    #[serde(default)]
    reglas: Option<&'a str>,
    #[serde(default)]
    conversion_id: Option<&'a str>,
    #[serde(default)]
    motivo: Option<&'a str>,
    #[serde(default)]
    tipo_reversion: Option<&'a str>,
    #[serde(default)]
    disputa_id: Option<&'a str>,
    politica_presupuesto: Option<&'a str>,
    #[serde(default)]
    fecha_inicio: Option<&'a str>,
    #[serde(default)]
    fecha_fin: Option<&'a str>,
    #[serde(default)]
    desde: Option<&'a str>,
    #[serde(default)]
    email: Option<&'a str>,
    #[serde(default)]
    cedula: Option<&'a str>,
    /// The keys of an edit that were sent as null, which takes their values back.
    #[serde(default)]
    nulos: Option<Vec<Cow<'a, str>>>,
}

fn bytes<S: Serializer>(bytes: &Option<&[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => serializer.serialize_bytes(bytes),
        None => serializer.serialize_none(),
    }
}

impl ComandoAlpes<'_> {
    /// The record that it is, by its `comando`.
    pub(super) fn into_record(self) -> Result<Record, Faults> {
        let kind = kind_of(&text(self.comando))?;
        Ok(match kind {
            Kind::RecordImpression | Kind::RecordClick | Kind::RecordConversion => {
                Record::tracking(kind, Box::new(self.into_tracking()))
            }
            Kind::CreateCampaign => Record::Campaign(Box::new(self.into_campaign())),
            Kind::DefineCommissions => Record::Terms(Box::new(self.into_terms())),
            Kind::RecordReversal => Record::Reversal(Box::new(self.into_reversal())),
            Kind::EditCampaign => Record::Edit(Box::new(self.into_edit())),
            Kind::PauseCampaign => Record::State(CampaignState::Paused, Box::new(self.into_state())),
            Kind::ResumeCampaign => Record::State(CampaignState::Active, Box::new(self.into_state())),
            Kind::EndCampaign => Record::State(CampaignState::Ended, Box::new(self.into_state())),
            Kind::RegisterInfluencer => Record::Influencer(Box::new(self.into_influencer())),
            Kind::AddInfluencer => Record::Membership(true, Box::new(self.into_membership())),
            Kind::RemoveInfluencer => Record::Membership(false, Box::new(self.into_membership())),
            Kind::Tick => return Err(unknown()),
        })
    }

    fn into_tracking(self) -> TrackingRecord {
        TrackingRecord {
            id: id(self.id),
            campaign_id: text(self.campaign_id),
            influencer_id: text(self.influencer_id),
            usuario_id: text(self.usuario_id),
            tipo_evento: text(self.tipo_evento),
            tipo_conversion: text(self.tipo_conversion),
            valor: self.valor.map_or(Amount::Absent, Amount::Exact),
            moneda: text(self.moneda),
            user_agent: text(self.user_agent),
            ip_address: text(self.ip_address),
            referrer: text(self.referrer),
            timestamp: text(self.timestamp),
            ..TrackingRecord::default()
        }
    }

    fn into_reversal(self) -> ReversalRecord {
        ReversalRecord {
            id: id(self.id),
            conversion_id: text(self.conversion_id),
            valor: self.valor.map_or(Amount::Absent, Amount::Exact),
            moneda: text(self.moneda),
            motivo: text(self.motivo),
            timestamp: text(self.timestamp),
            tipo: text(self.tipo_reversion),
            disputa_id: text(self.disputa_id),
        }
    }

    fn into_campaign(self) -> CampaignRecord {
        CampaignRecord {
            id: id(self.id),
            nombre: text(self.nombre),
            producto: text(self.producto),
            presupuesto: self.presupuesto.map_or(Amount::Absent, Amount::Exact),
            moneda: text(self.moneda),
            marca: text(self.marca),
            influencers_ids: texts(self.influencers_ids.as_deref()),
            conversiones: Verbatim(self.conversiones.filter(|list| !list.is_empty()).map(Into::into)),
            politica_presupuesto: text(self.politica_presupuesto),
            fecha_inicio: text(self.fecha_inicio),
            fecha_fin: text(self.fecha_fin),
        }
    }

    fn into_terms(self) -> TermsRecord {
        TermsRecord {
            id: id(self.id),
            campaign_id: text(self.campaign_id),
            influencer_id: text(self.influencer_id),
            vigente_desde: text(self.vigente_desde),
            reglas: Verbatim(self.reglas.filter(|list| !list.is_empty()).map(Into::into)),
        }
    }

    fn into_edit(self) -> EditRecord {
        let nulls = self.nulos.unwrap_or_default();
        let is_null = |key: &str| nulls.iter().any(|null| null == key);
        let text = |key: &str, sent: Option<&str>| if is_null(key) { Text::Null } else { text(sent) };
        EditRecord {
            id: id(self.id),
            campaign_id: text("campaña_id", self.campaign_id),
            nombre: text("nombre", self.nombre),
            producto: text("producto", self.producto),
            marca: text("marca", self.marca),
            presupuesto: self.presupuesto.map_or(Amount::Absent, Amount::Exact),
            moneda: text("moneda", self.moneda),
            politica_presupuesto: text("politica_presupuesto", self.politica_presupuesto),
            fecha_inicio: text("fecha_inicio", self.fecha_inicio),
            fecha_fin: text("fecha_fin", self.fecha_fin),
        }
    }

    fn into_state(self) -> StateRecord {
        let (campaign_id, desde) = (text(self.campaign_id), text(self.desde));
        StateRecord { id: id(self.id), campaign_id, desde, motivo: text(self.motivo) }
    }

    fn into_influencer(self) -> InfluencerRecord {
        InfluencerRecord {
            id: id(self.id),
            influencer_id: text(self.influencer_id),
            nombre: text(self.nombre),
            email: text(self.email),
            cedula: text(self.cedula),
        }
    }

    fn into_membership(self) -> MembershipRecord {
        let (campaign_id, influencer_id) = (text(self.campaign_id), text(self.influencer_id));
        MembershipRecord { id: id(self.id), campaign_id, influencer_id, desde: text(self.desde) }
    }
}

/// What Avro cannot say, since there null and empty mean missing: the command has a fault that must not be lost.
struct Unsayable;

impl<'a> ComandoAlpes<'a> {
    /// `payload` as it was sent.
    pub(crate) fn raw(payload: &'a [u8]) -> Self {
        Self { crudo: Some(payload), ..Self::default() }
    }

    /// What reads back as `record`, if there is such a thing.
    pub(crate) fn of(record: &'a Record, assigned_id: Option<&'a str>) -> Option<Self> {
        match record {
            Record::Tracking(record) => Self::of_tracking(record, assigned_id).ok(),
            Record::Reversal(record) => Self::of_reversal(record, assigned_id).ok(),
            Record::Campaign(record) => Self::of_campaign(record, assigned_id).ok(),
            Record::Terms(record) => Self::of_terms(record, assigned_id).ok(),
            Record::Edit(record) => Self::of_edit(record, assigned_id).ok(),
            Record::State(state, record) => Self::of_state(state.command(), record, assigned_id).ok(),
            Record::Influencer(record) => Self::of_influencer(record, assigned_id).ok(),
            Record::Membership(true, record) => Self::of_membership(Kind::AddInfluencer, record, assigned_id).ok(),
            Record::Membership(false, record) => Self::of_membership(Kind::RemoveInfluencer, record, assigned_id).ok(),
        }
    }

    fn of_tracking(record: &'a TrackingRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        let common = Self {
            comando: Some(record.kind.name()),
            id: sent_id(&record.id, assigned_id)?,
            campaign_id: sent(&record.campaign_id)?,
            influencer_id: optional(&record.influencer_id)?,
            usuario_id: optional(&record.usuario_id)?,
            user_agent: optional(&record.user_agent)?,
            ip_address: optional(&record.ip_address)?,
            referrer: optional(&record.referrer)?,
            timestamp: sent(&record.timestamp)?,
            ..Self::default()
        };
        Ok(match record.kind {
            Kind::RecordConversion => Self {
                tipo_conversion: sent(&record.tipo_conversion)?,
                valor: amount(&record.valor, &record.moneda)?,
                moneda: sent(&record.moneda)?,
                ..common
            },
            // The way of clicks implies what the record then has to say.
            Kind::RecordClick => match sent(&record.tipo_evento)? {
                None | Some("CLICK") => Self { tipo_evento: Some("CLICK"), ..common },
                Some(_) => return Err(Unsayable),
            },
            _ => Self { tipo_evento: sent(&record.tipo_evento)?, ..common },
        })
    }

    fn of_reversal(record: &'a ReversalRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        // Only where one is needed is null a fault.
        let dispute = if record.is_dispute() { sent(&record.disputa_id)? } else { optional(&record.disputa_id)? };
        Ok(Self {
            comando: Some(Kind::RecordReversal.name()),
            id: sent_id(&record.id, assigned_id)?,
            conversion_id: sent(&record.conversion_id)?,
            valor: amount(&record.valor, &record.moneda)?,
            moneda: sent(&record.moneda)?,
            motivo: optional(&record.motivo)?,
            timestamp: sent(&record.timestamp)?,
            tipo_reversion: sent(&record.tipo)?,
            disputa_id: dispute,
            ..Self::default()
        })
    }

    fn of_campaign(record: &'a CampaignRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        // In this record null means missing, in JSON, too.
        let budget = if record.presupuesto.is_none() { &Amount::Absent } else { &record.presupuesto };
        let currency = if record.moneda == Text::Null { &Text::Absent } else { &record.moneda };
        Ok(Self {
            comando: Some(Kind::CreateCampaign.name()),
            id: sent_id(&record.id, assigned_id)?,
            nombre: optional(&record.nombre)?,
            producto: optional(&record.producto)?,
            presupuesto: amount(budget, currency)?,
            moneda: sent(currency)?,
            marca: optional(&record.marca)?,
            influencers_ids: list(&record.influencers_ids)?,
            conversiones: record.conversiones.0.as_deref().filter(|list| *list != "null"),
            politica_presupuesto: sent_or_null(&record.politica_presupuesto)?,
            fecha_inicio: sent_or_null(&record.fecha_inicio)?,
            fecha_fin: sent_or_null(&record.fecha_fin)?,
            ..Self::default()
        })
    }

    fn of_terms(record: &'a TermsRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        Ok(Self {
            comando: Some(Kind::DefineCommissions.name()),
            id: sent_id(&record.id, assigned_id)?,
            campaign_id: sent(&record.campaign_id)?,
            influencer_id: optional(&record.influencer_id)?,
            vigente_desde: sent(&record.vigente_desde)?,
            reglas: record.reglas.0.as_deref().filter(|list| *list != "null"),
            ..Self::default()
        })
    }

    fn of_edit(record: &'a EditRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        let empty = Text::Given("".into());
        let is_none = |(key, text): (&'a str, &Text)| (*text == Text::Null || *text == empty).then_some(key.into());
        let texts = [("nombre", &record.nombre), ("producto", &record.producto), ("marca", &record.marca)];
        let dates = [("fecha_inicio", &record.fecha_inicio), ("fecha_fin", &record.fecha_fin)];
        let nulls: Vec<_> = texts.into_iter().chain(dates).filter_map(is_none).collect();
        Ok(Self {
            comando: Some(Kind::EditCampaign.name()),
            id: sent_id(&record.id, assigned_id)?,
            campaign_id: sent(&record.campaign_id)?,
            nombre: optional(&record.nombre)?,
            producto: optional(&record.producto)?,
            marca: optional(&record.marca)?,
            presupuesto: amount(&record.presupuesto, &record.moneda)?,
            moneda: sent(&record.moneda)?,
            politica_presupuesto: sent(&record.politica_presupuesto)?,
            fecha_inicio: sent_or_null(&record.fecha_inicio)?,
            fecha_fin: sent_or_null(&record.fecha_fin)?,
            nulos: (!nulls.is_empty()).then_some(nulls),
            ..Self::default()
        })
    }

    fn of_state(kind: Kind, record: &'a StateRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        Ok(Self {
            comando: Some(kind.name()),
            id: sent_id(&record.id, assigned_id)?,
            campaign_id: sent(&record.campaign_id)?,
            desde: sent(&record.desde)?,
            motivo: optional(&record.motivo)?,
            ..Self::default()
        })
    }

    fn of_influencer(record: &'a InfluencerRecord, assigned_id: Option<&'a str>) -> Result<Self, Unsayable> {
        Ok(Self {
            comando: Some(Kind::RegisterInfluencer.name()),
            id: sent_id(&record.id, assigned_id)?,
            influencer_id: sent(&record.influencer_id)?,
            nombre: optional(&record.nombre)?,
            email: optional(&record.email)?,
            cedula: optional(&record.cedula)?,
            ..Self::default()
        })
    }

    fn of_membership(
        kind: Kind,
        record: &'a MembershipRecord,
        assigned_id: Option<&'a str>,
    ) -> Result<Self, Unsayable> {
        Ok(Self {
            comando: Some(kind.name()),
            id: sent_id(&record.id, assigned_id)?,
            campaign_id: sent(&record.campaign_id)?,
            influencer_id: sent(&record.influencer_id)?,
            desde: sent(&record.desde)?,
            ..Self::default()
        })
    }
}

/// A text that is a fault when it is null or empty.
fn sent(text: &Text) -> Result<Option<&str>, Unsayable> {
    match text {
        Text::Absent => Ok(None),
        Text::Given(text) if !text.is_empty() => Ok(Some(text)),
        Text::Given(_) | Text::Null | Text::Wrong => Err(Unsayable),
    }
}

/// The same where null means missing, but the empty text is a fault.
fn sent_or_null(text: &Text) -> Result<Option<&str>, Unsayable> {
    if *text == Text::Null { Ok(None) } else { sent(text) }
}

/// A text that is missing when it is null or empty.
fn optional(text: &Text) -> Result<Option<&str>, Unsayable> {
    match text {
        Text::Given(text) => Ok(Some(&**text).filter(|text| !text.is_empty())),
        Text::Absent | Text::Null => Ok(None),
        Text::Wrong => Err(Unsayable),
    }
}

fn sent_id<'a>(id: &'a Text, assigned: Option<&'a str>) -> Result<Option<&'a str>, Unsayable> {
    match sent(id)? {
        Some(id) if id.trim().is_empty() => Err(Unsayable),
        sent => Ok(sent.or(assigned)),
    }
}

fn amount(sent: &Amount, moneda: &Text) -> Result<Option<Decimal>, Unsayable> {
    let faults = &mut Vec::new();
    let currency = currency(moneda, faults);
    let judged = sent.judge("", currency, faults);
    let is_exact = faults.is_empty() && judged.as_ref().is_none_or(|sent| !sent.inexact);
    if is_exact { Ok(judged.map(|sent| sent.money.amount())) } else { Err(Unsayable) }
}

fn list<'a>(written: &Verbatim) -> Result<Option<Vec<Cow<'a, str>>>, Unsayable> {
    let Some(written) = written.0.as_deref().filter(|written| *written != "null") else {
        return Ok(None);
    };
    serde_json::from_str::<Vec<String>>(written)
        .map(|texts| Some(texts.into_iter().map(Cow::Owned).collect()))
        .map_err(|_| Unsayable)
}

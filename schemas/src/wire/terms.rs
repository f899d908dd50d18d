//! `definir-comisiones`: commission terms as they are sent.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::field::{Amount, Text, Verbatim, decimal_text, note};
use super::tracking::currency;
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::money::parse_decimal;
use crate::terms::{Basis, PERCENT_DECIMALS_MAX, Pay, Rule, TERMS_ALIGNMENT, Terms};
use crate::{Code, ConversionKind, Fault, Faults, InfluencerId, Timestamp};

const RULES: &str = "reglas";
const KEYS: &str = "tipo, tipo_conversion, monto, moneda, porcentaje";

/// Terms as they were sent. Unknown keys are ignored; in a rule, where they might mean money, they are faults.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TermsRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default, rename = "campaña_id")]
    pub(super) campaign_id: Text,
    #[serde(default)]
    pub(super) influencer_id: Text,
    #[serde(default)]
    pub(super) vigente_desde: Text,
    #[serde(default)]
    pub(super) reglas: Verbatim,
}

impl TermsRecord {
    pub(super) fn validate(self, context: Context<'_>) -> Result<Terms, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let campaign = self.campaign_id.required_id("campaña_id", faults);
        let influencer = self.influencer_id.optional_id("influencer_id", faults);
        let sent_from = valid_from(&self.vigente_desde, faults);
        let rules = rules(&self.reglas, faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let content = ContentBuilder::new("definir-comisiones")
            .text(Some(&id))
            .text(Some(&campaign))
            .text(influencer.as_deref())
            .time(sent_from);
        let content = rules.iter().fold(content, said);
        Ok(Terms {
            id,
            campaign: (&*campaign).into(),
            influencer: influencer.as_deref().map(InfluencerId::from),
            // Without a beginning they hold from the minute in which they were sent.
            valid_from: sent_from.unwrap_or_else(|| context.published_at.floor(TERMS_ALIGNMENT)),
            rules,
            defined_at: context.published_at,
            content: content.build(),
        })
    }
}

fn said(content: ContentBuilder, rule: &Rule) -> ContentBuilder {
    let content = content.text(Some(rule.basis.name())).text(rule.basis.conversion().map(ConversionKind::name));
    match rule.pay {
        Pay::Flat(money) => content.text(Some(&money.amount().to_string())).text(Some(money.currency().code())),
        Pay::Percent(percent) => content.text(Some(&percent.to_string())).text(Some("%")),
    }
}

fn valid_from(sent: &Text, faults: &mut Vec<Fault>) -> Option<Timestamp> {
    sent.minute("vigente_desde", "omítala (desde ahora)", faults)
}

fn rules(sent: &Verbatim, faults: &mut Vec<Fault>) -> Vec<Rule> {
    let mut fault = |code, detail: &str| {
        faults.push(Fault { code, path: RULES, detail: detail.into() });
        Vec::new()
    };
    let Some(written) = sent.0.as_deref().filter(|written| *written != "null") else {
        return fault(Code::MissingField, "falta; dé una lista de reglas, o [] si nada se paga");
    };
    let Ok(written) = serde_json::from_str::<Vec<BTreeMap<String, Box<RawValue>>>>(written) else {
        return fault(Code::Malformed, "debe ser una lista de objetos");
    };
    let mut rules: Vec<Rule> = Vec::new();
    for (number, keys) in (1..).zip(written) {
        let rule_faults = &mut Vec::new();
        let rule = rule(keys, rule_faults);
        if rule.as_ref().is_some_and(|rule| rules.iter().any(|earlier| earlier.basis == rule.basis)) {
            note(rule_faults, Code::InvalidValue, "tipo", "ya hay una regla igual antes; deje una sola");
        }
        rules.extend(rule);
        faults.extend(rule_faults.drain(..).map(|fault| Fault {
            path: RULES,
            detail: format!("regla {number}, {}: {}", fault.path, fault.detail),
            ..fault
        }));
    }
    rules
}

fn rule(mut keys: BTreeMap<String, Box<RawValue>>, faults: &mut Vec<Fault>) -> Option<Rule> {
    // A JSON value is a text or it is Wrong: reading one cannot fail.
    let mut text =
        |key| keys.remove(key).map_or(Text::Absent, |raw| serde_json::from_str(raw.get()).unwrap_or_default());
    let (tipo, kind, moneda) = (text("tipo"), text("tipo_conversion"), text("moneda"));
    let mut amount = |key| keys.remove(key).map_or(Amount::Absent, |raw| Amount::Written(raw.get().into()));
    let (monto, porcentaje) = (amount("monto"), amount("porcentaje"));
    if let Some(key) = keys.keys().next() {
        note(faults, Code::Unsupported, "clave", &format!("{key} no se conoce en una regla; use {KEYS}"));
    }
    let basis = basis(&tipo, &kind, faults)?;
    let pay = match (basis, porcentaje.is_none()) {
        (Basis::Conversion(_), false) if monto.is_none() && moneda == Text::Absent => percent(&porcentaje, faults)?,
        (Basis::Conversion(_), false) => {
            note(faults, Code::InvalidValue, "porcentaje", "no va junto con monto o moneda; deje lo uno o lo otro");
            return None;
        }
        (_, false) => {
            note(faults, Code::InvalidValue, "porcentaje", "solo vale para CPA; dé un monto");
            return None;
        }
        (_, true) => flat(&monto, &moneda, faults)?,
    };
    Some(Rule::plain(basis, pay))
}

fn basis(tipo: &Text, kind: &Text, faults: &mut Vec<Fault>) -> Option<Basis> {
    let basis = match tipo {
        Text::Given(name) if &**name == "CPM" => Basis::ThousandImpressions,
        Text::Given(name) if &**name == "CPC" => Basis::Click,
        Text::Given(name) if &**name == "CPA" => return conversion(kind, faults).map(Basis::Conversion),
        Text::Absent => {
            note(faults, Code::MissingField, "tipo", "falta; uno de CPM, CPC, CPA");
            return None;
        }
        _ => {
            note(faults, Code::InvalidValue, "tipo", "debe ser uno de CPM, CPC, CPA");
            return None;
        }
    };
    if *kind != Text::Absent {
        note(faults, Code::InvalidValue, "tipo_conversion", "solo vale para CPA; omítalo");
    }
    Some(basis)
}

fn conversion(sent: &Text, faults: &mut Vec<Fault>) -> Option<ConversionKind> {
    let known = || ConversionKind::ALL.map(ConversionKind::name).join(", ");
    let kind = match sent {
        Text::Absent => {
            note(faults, Code::MissingField, "tipo_conversion", &format!("falta; uno de {}", known()));
            return None;
        }
        Text::Given(name) => ConversionKind::from_name(name),
        Text::Null | Text::Wrong => None,
    };
    if kind.is_none() {
        note(faults, Code::InvalidValue, "tipo_conversion", &format!("debe ser uno de {}", known()));
    }
    kind
}

fn flat(monto: &Amount, moneda: &Text, faults: &mut Vec<Fault>) -> Option<Pay> {
    let currency = currency(moneda, faults);
    if *monto == Amount::Absent {
        note(faults, Code::MissingField, "monto", "falta; dé un monto, o en CPA un porcentaje");
    }
    monto.judge("monto", currency, faults).map(|sent| Pay::Flat(sent.money))
}

fn percent(sent: &Amount, faults: &mut Vec<Fault>) -> Option<Pay> {
    let Amount::Written(written) = sent else { return None };
    let parsed = parse_decimal(&decimal_text(written, "porcentaje", faults)?);
    let sound = |percent: &Decimal| {
        !percent.is_sign_negative() && *percent <= Decimal::ONE_HUNDRED && percent.scale() <= PERCENT_DECIMALS_MAX
    };
    let percent = parsed.ok().map(|percent| percent.normalize()).filter(sound);
    if percent.is_none() {
        let wanted = format!("debe ser un número de 0 a 100, con {PERCENT_DECIMALS_MAX} decimales a lo sumo");
        note(faults, Code::InvalidValue, "porcentaje", &wanted);
    }
    percent.map(Pay::Percent)
}

//! `definir-comisiones`: commission terms as they are sent.

use serde::Deserialize;

use super::field::{Text, Verbatim};
use super::rules::rules;
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::terms::{Pay, Rule, TERMS_ALIGNMENT, Terms};
use crate::{ConversionKind, Currency, Fault, Faults, InfluencerId, Timestamp};

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
            campaign: campaign.into(),
            influencer: influencer.map(InfluencerId::from),
            // Without a beginning they hold from the minute in which they were sent.
            valid_from: sent_from.unwrap_or_else(|| context.published_at.floor(TERMS_ALIGNMENT)),
            rules,
            defined_at: context.published_at,
            content: content.build(),
        })
    }
}

/// What a rule says beyond the plain ones is added under a name, so that a plain rule is what it was before there was more
/// to say, and no part can be taken for another rule, which begins with its `tipo`.
fn said(content: ContentBuilder, rule: &Rule) -> ContentBuilder {
    let content = content.text(Some(rule.basis.name())).text(rule.basis.conversion().map(ConversionKind::name));
    let (content, currency) = match rule.pay {
        Pay::Flat(money) => (content.text(Some(&money.amount().to_string())).text(Some(money.currency().code())), None),
        Pay::Percent(percent) => (content.text(Some(&percent.to_string())).text(Some("%")), rule.currency),
    };
    let named = |content, (name, value): (&str, Option<String>)| match value {
        Some(value) => ContentBuilder::text(content, Some(name)).text(Some(&value)),
        None => content,
    };
    let content = [
        ("moneda", currency.map(Currency::code).map(Into::into)),
        ("venta_minima", rule.minimum.map(|minimum| minimum.to_string())),
        ("tope", rule.cap.map(|cap| cap.to_string())),
        ("periodo", rule.is_periodic().then(|| rule.period.name().into())),
        ("escala", (!rule.tiers.is_empty()).then(|| rule.scale.name().into())),
    ]
    .into_iter()
    .fold(content, named);
    rule.tiers.iter().fold(content, |content, tier| {
        content.text(Some("escalon")).text(Some(&tier.since.to_string())).text(Some(&tier.rate.to_string()))
    })
}

fn valid_from(sent: &Text, faults: &mut Vec<Fault>) -> Option<Timestamp> {
    sent.minute("vigente_desde", "omítala (desde ahora)", faults)
}

//! `crear-campaña`, as the users' clients write it. Every key but `id` may be missing, as in their system.

use serde::Deserialize;

use super::field::{Amount, Text, Verbatim, judge_text};
use super::tracking::currency;
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::{Campaign, Code, Fault, Faults, InfluencerId, Money};

/// A campaign as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct CampaignRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default)]
    pub(super) nombre: Text,
    #[serde(default)]
    pub(super) producto: Text,
    #[serde(default)]
    pub(super) presupuesto: Amount,
    #[serde(default)]
    pub(super) moneda: Text,
    #[serde(default)]
    pub(super) marca: Text,
    #[serde(default)]
    pub(super) influencers_ids: Verbatim,
    #[serde(default)]
    pub(super) conversiones: Verbatim,
}

impl CampaignRecord {
    pub(super) fn validate(self, context: Context<'_>) -> Result<Campaign, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let name = self.nombre.optional("nombre", faults);
        let product = self.producto.optional("producto", faults);
        let brand = self.marca.optional("marca", faults);
        // In this record null means missing: the users' clients write it for what they do not know.
        let sent_currency = if self.moneda == Text::Null { Text::Absent } else { self.moneda };
        let currency = currency(&sent_currency, faults);
        let sent_budget =
            if self.presupuesto.is_none() { None } else { self.presupuesto.judge("presupuesto", currency, faults) };
        let influencers = influencers(&self.influencers_ids, faults);
        let conversions = list(&self.conversiones, faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let content = ContentBuilder::new("crear-campaña")
            .text(Some(&id))
            .text(name.as_deref())
            .text(product.as_deref())
            .text(brand.as_deref())
            .text(sent_budget.as_ref().map(|sent| &*sent.content))
            .text((sent_currency != Text::Absent).then_some(currency.code()))
            .text(Some(&conversions));
        let content = influencers.iter().fold(content, |content, influencer| content.text(Some(influencer)));
        Ok(Campaign {
            id,
            name,
            product,
            brand,
            budget: sent_budget.map_or(Money::zero(currency), |sent| sent.money),
            influencers,
            conversions: conversions.into(),
            created_at: context.published_at,
            content: content.build(),
        })
    }
}

fn influencers(sent: &Verbatim, faults: &mut Vec<Fault>) -> Vec<InfluencerId> {
    let Some(written) = sent.0.as_deref().filter(|written| *written != "null") else {
        return Vec::new();
    };
    let Ok(ids) = serde_json::from_str::<Vec<Text>>(written) else {
        faults.push(Fault {
            code: Code::Malformed,
            path: "influencers_ids",
            detail: "debe ser una lista de textos".into(),
        });
        return Vec::new();
    };
    ids.into_iter().map(|id| InfluencerId::from(&*id.required_id("influencers_ids", faults))).collect()
}

/// The list of conversions as it was written, white space aside; it is recorded, not interpreted.
fn list(sent: &Verbatim, faults: &mut Vec<Fault>) -> String {
    let Some(written) = sent.0.as_deref().filter(|written| *written != "null") else {
        return "[]".into();
    };
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(written) else {
        faults.push(Fault { code: Code::Malformed, path: "conversiones", detail: "debe ser una lista".into() });
        return "[]".into();
    };
    let text = serde_json::Value::from(values).to_string();
    judge_text(&text.replace("\\u0000", "\0"), "conversiones", faults);
    text
}

//! `crear-campaña`, as the users' clients write it. Every key but `id` may be missing, as in their system.

use serde::Deserialize;

use super::field::{Amount, Text, Verbatim, judge_text};
use super::tracking::currency;
use super::{Context, command_id};
use crate::campaign::dates_fault;
use crate::content::ContentBuilder;
use crate::{BudgetPolicy, Campaign, Code, Dates, Fault, Faults, InfluencerId, Money};

/// A campaign as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
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
    #[serde(default)]
    pub(super) politica_presupuesto: Text,
    #[serde(default)]
    pub(super) fecha_inicio: Text,
    #[serde(default)]
    pub(super) fecha_fin: Text,
}

impl CampaignRecord {
    pub(super) fn validate(self, context: Context<'_>) -> Result<Campaign, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let name = self.nombre.optional("nombre", faults);
        let product = self.producto.optional("producto", faults);
        let brand = self.marca.optional("marca", faults);
        // In this record null means missing: the users' clients write it for what they do not know.
        let sent_currency = self.moneda.or_absent();
        let currency = currency(&sent_currency, faults);
        let sent_budget =
            if self.presupuesto.is_none() { None } else { self.presupuesto.judge("presupuesto", currency, faults) };
        let influencers = influencers(&self.influencers_ids, faults);
        let conversions = list(&self.conversiones, faults);
        let policy = self.politica_presupuesto.or_absent().policy(faults);
        let dates = Dates {
            starts_at: self.fecha_inicio.or_absent().minute("fecha_inicio", "", faults),
            ends_at: self.fecha_fin.or_absent().minute("fecha_fin", "", faults),
        };
        faults.extend((!dates.are_sound()).then(|| dates_fault(dates)));
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
            policy: policy.unwrap_or_default(),
            dates,
            influencers,
            conversions: conversions.into(),
            created_at: context.published_at,
            content: said_later(content, policy, dates).build(),
        })
    }
}

/// Keys that came after the first campaigns: where none of them was sent, the content is what it always was.
fn said_later(content: ContentBuilder, policy: Option<BudgetPolicy>, dates: Dates) -> ContentBuilder {
    if policy.is_none() && dates == Dates::default() {
        return content;
    }
    // No influencer is none, so these cannot be taken for more influencers.
    content.text(None).text(policy.map(BudgetPolicy::name)).time(dates.starts_at).time(dates.ends_at)
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
    ids.into_iter().map(|id| InfluencerId::from(id.required_id("influencers_ids", faults))).collect()
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

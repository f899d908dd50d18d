//! `editar-campaña`: what is to be different. A key that is missing changes nothing; null takes a value back.

use serde::Deserialize;

use super::field::{Amount, Text};
use super::tracking::currency;
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::{CampaignEdit, Code, Fault, Faults, Timestamp};

const KEYS: &str = "nombre, producto, marca, presupuesto, moneda, politica_presupuesto, fecha_inicio, fecha_fin";

/// An edit as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EditRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default, rename = "campaña_id")]
    pub(super) campaign_id: Text,
    #[serde(default)]
    pub(super) nombre: Text,
    #[serde(default)]
    pub(super) producto: Text,
    #[serde(default)]
    pub(super) marca: Text,
    #[serde(default)]
    pub(super) presupuesto: Amount,
    #[serde(default)]
    pub(super) moneda: Text,
    #[serde(default)]
    pub(super) politica_presupuesto: Text,
    #[serde(default)]
    pub(super) fecha_inicio: Text,
    #[serde(default)]
    pub(super) fecha_fin: Text,
}

impl EditRecord {
    pub(super) fn validate(self, context: Context<'_>) -> Result<CampaignEdit, Faults> {
        let faults = &mut Vec::new();
        if self.says_nothing() {
            let detail = format!("no dice qué cambiar; dé al menos una clave de {KEYS}");
            faults.push(Fault { code: Code::MissingField, path: "", detail });
        }
        let id = command_id(self.id, context, faults);
        let campaign = self.campaign_id.required_id("campaña_id", faults);
        // All currencies have the same decimals, so an amount is sound or not whatever the campaign's currency is.
        let sent_currency = currency(&self.moneda, faults);
        let budget = self.presupuesto.judge("presupuesto", sent_currency, faults);
        let name = self.nombre.nullable("nombre", faults);
        let product = self.producto.nullable("producto", faults);
        let brand = self.marca.nullable("marca", faults);
        let policy = self.politica_presupuesto.policy(faults);
        let starts_at = self.fecha_inicio.nullable_minute("fecha_inicio", faults);
        let ends_at = self.fecha_fin.nullable_minute("fecha_fin", faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let currency = (self.moneda != Text::Absent).then_some(sent_currency);
        let said = Said(ContentBuilder::new("editar-campaña").text(Some(&id)).text(Some(&campaign)))
            .text("nombre", name.as_ref().map(Option::as_deref))
            .text("producto", product.as_ref().map(Option::as_deref))
            .text("marca", brand.as_ref().map(Option::as_deref))
            .text("presupuesto", budget.as_ref().map(|sent| Some(&*sent.content)))
            .text("moneda", currency.map(|currency| Some(currency.code())))
            .text("politica_presupuesto", policy.map(|policy| Some(policy.name())))
            .time("fecha_inicio", starts_at)
            .time("fecha_fin", ends_at);
        Ok(CampaignEdit {
            id,
            campaign: campaign.into(),
            name,
            product,
            brand,
            budget: budget.map(|sent| sent.money.amount()),
            currency,
            policy,
            starts_at,
            ends_at,
            edited_at: context.published_at,
            content: said.0.build(),
        })
    }

    fn says_nothing(&self) -> bool {
        let texts = [&self.nombre, &self.producto, &self.marca, &self.moneda, &self.politica_presupuesto];
        let dates = [&self.fecha_inicio, &self.fecha_fin];
        texts.into_iter().chain(dates).all(|text| *text == Text::Absent) && self.presupuesto == Amount::Absent
    }
}

/// Collects the keys that were sent, each with its value: a key that was not sent leaves no trace.
struct Said(ContentBuilder);

impl Said {
    fn text(self, key: &str, value: Option<Option<&str>>) -> Self {
        match value {
            Some(value) => Self(self.0.text(Some(key)).text(value)),
            None => self,
        }
    }

    fn time(self, key: &str, value: Option<Option<Timestamp>>) -> Self {
        match value {
            Some(value) => Self(self.0.text(Some(key)).time(value)),
            None => self,
        }
    }
}

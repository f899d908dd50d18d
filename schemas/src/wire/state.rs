//! `pausar-campaña`, `reanudar-campaña`, `finalizar-campaña`: from when on, and why.

use serde::Deserialize;

use super::field::Text;
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::{CampaignState, Faults, StateChange};

/// The longest reason, in bytes: a few sentences.
const REASON_BYTES_MAX: usize = 1_000;

/// A change of state as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct StateRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default, rename = "campaña_id")]
    pub(super) campaign_id: Text,
    #[serde(default)]
    pub(super) desde: Text,
    #[serde(default)]
    pub(super) motivo: Text,
}

impl StateRecord {
    pub(super) fn validate(self, state: CampaignState, context: Context<'_>) -> Result<StateChange, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let campaign = self.campaign_id.required_id("campaña_id", faults);
        let sent_from = self.desde.minute("desde", "omítala (desde el próximo minuto)", faults);
        let reason = self.motivo.bounded("motivo", REASON_BYTES_MAX, faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let content = ContentBuilder::new(state.command().name())
            .text(Some(&id))
            .text(Some(&campaign))
            .time(sent_from)
            .text(reason.as_deref());
        Ok(StateChange {
            id,
            campaign: campaign.into(),
            state,
            valid_from: sent_from.unwrap_or_else(|| context.next_minute()),
            reason,
            changed_at: context.published_at,
            content: content.build(),
        })
    }
}

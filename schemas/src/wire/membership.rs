//! `agregar-influencer`, `retirar-influencer`: who belongs to a campaign, from when on.

use serde::Deserialize;

use super::field::Text;
use super::{Context, command_id};
use crate::campaign::CHANGE_ALIGNMENT;
use crate::content::ContentBuilder;
use crate::{Faults, Kind, Membership};

/// A membership as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct MembershipRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default, rename = "campaña_id")]
    pub(super) campaign_id: Text,
    #[serde(default)]
    pub(super) influencer_id: Text,
    #[serde(default)]
    pub(super) desde: Text,
}

impl MembershipRecord {
    pub(super) fn validate(self, member: bool, context: Context<'_>) -> Result<Membership, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let campaign = self.campaign_id.required_id("campaña_id", faults);
        let influencer = self.influencer_id.required_id("influencer_id", faults);
        let omit = if member { "omítala (desde este minuto)" } else { "omítala (desde el próximo minuto)" };
        let sent_from = self.desde.minute("desde", omit, faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let kind = if member { Kind::AddInfluencer } else { Kind::RemoveInfluencer };
        let content = ContentBuilder::new(kind.name())
            .text(Some(&id))
            .text(Some(&campaign))
            .text(Some(&influencer))
            .time(sent_from);
        let from_now = || context.published_at.floor(CHANGE_ALIGNMENT);
        Ok(Membership {
            id,
            campaign: campaign.into(),
            influencer: (&*influencer).into(),
            member,
            valid_from: sent_from.unwrap_or_else(|| if member { from_now() } else { context.next_minute() }),
            changed_at: context.published_at,
            content: content.build(),
        })
    }
}

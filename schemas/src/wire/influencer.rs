//! `registrar-influencer`: who an influencer is. A later version stands in for the one before as a whole.

use serde::Deserialize;

use super::field::{Text, note};
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::{Code, Fault, Faults, Influencer};

/// The longest name of a person, in bytes: longer than any that a passport holds.
const PERSON_NAME_BYTES_MAX: usize = 255;
/// The longest address that mail can be sent to (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;
/// The longest number of an identity card, in bytes: those of the region have 15 at most, with dots and dashes.
const IDENTITY_CARD_BYTES_MAX: usize = 32;

/// An influencer as she was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct InfluencerRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default)]
    pub(super) influencer_id: Text,
    #[serde(default)]
    pub(super) nombre: Text,
    #[serde(default)]
    pub(super) email: Text,
    #[serde(default)]
    pub(super) cedula: Text,
}

impl InfluencerRecord {
    pub(super) fn validate(self, context: Context<'_>) -> Result<Influencer, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let influencer = self.influencer_id.required_id("influencer_id", faults);
        let name = self.nombre.bounded("nombre", PERSON_NAME_BYTES_MAX, faults);
        let email = self.email.bounded("email", EMAIL_BYTES_MAX, faults);
        judge_email(email.as_deref(), faults);
        let identity_card = self.cedula.bounded("cedula", IDENTITY_CARD_BYTES_MAX, faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let content = ContentBuilder::new("registrar-influencer")
            .text(Some(&id))
            .text(Some(&influencer))
            .text(name.as_deref())
            .text(email.as_deref())
            .text(identity_card.as_deref());
        Ok(Influencer {
            id,
            influencer: (&*influencer).into(),
            name,
            email,
            identity_card,
            registered_at: context.published_at,
            content: content.build(),
        })
    }
}

/// Only mail itself can tell whether an address exists; this finds what certainly is none.
fn judge_email(email: Option<&str>, faults: &mut Vec<Fault>) {
    let is_sound = |email: &str| {
        let parts = email.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        parts && !email.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    };
    if email.is_some_and(|email| !is_sound(email)) {
        note(faults, Code::InvalidValue, "email", "no es una dirección de correo, como ana@example.com");
    }
}

//! `Describe`: picks out what the campaigns flow handles.

use schemas::{CampaignCommand, Command, Envelope};

use crate::{Operator, Output};

/// Emits what each command says about its campaign.
#[derive(Debug, Default)]
pub struct Describe;

impl Describe {
    /// Stateless.
    pub const fn new() -> Self {
        Self
    }
}

impl Operator for Describe {
    type In = Envelope<Command>;
    type Out = Envelope<CampaignCommand>;

    fn on_item(&mut self, Envelope { origin, body }: Self::In, out: &mut Output<'_, Self::Out>) {
        // Other commands never come this way: each flow decodes only its own.
        if let Command::Campaign(body) = body {
            out.emit(Envelope { origin, body });
        }
    }
}

//! `Describe`: picks the campaigns out of the campaigns flow's commands.

use schemas::{Campaign, Command, Envelope};

use crate::{Operator, Output};

/// Emits the campaign of each command that creates one.
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
    type Out = Envelope<Campaign>;

    fn on_item(&mut self, Envelope { origin, body }: Self::In, out: &mut Output<'_, Self::Out>) {
        // Other commands never come this way: each flow decodes only its own.
        if let Command::CreateCampaign(campaign) = body {
            out.emit(Envelope { origin, body: campaign });
        }
    }
}

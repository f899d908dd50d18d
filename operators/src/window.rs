//! `Window`: puts each event into its tumbling window of event time.

use schemas::{Command, Envelope, Facts, Timestamp, Windowed};
use std::time::Duration;

use crate::{Operator, Output};

/// The width of the windows that statistics and commissions are counted in.
pub const ONE_MINUTE: Duration = Duration::from_secs(60);

/// Assigns windows and tells which were closed already. A late event corrects its window all the same; reversals pass.
#[derive(Debug)]
pub struct Window {
    width: Duration,
    closed_through: Option<Timestamp>,
}

impl Window {
    /// Aligned, half-open windows of `width`.
    pub const fn tumbling(width: Duration) -> Self {
        Self { width, closed_through: None }
    }
}

impl Operator for Window {
    type In = Envelope<Command>;
    type Out = Windowed;

    fn on_facts(&mut self, facts: &Facts) {
        self.closed_through = facts.closed_through;
    }

    fn on_item(&mut self, Envelope { origin, body }: Self::In, out: &mut Output<'_, Windowed>) {
        let event = match body {
            Command::Track(event) => event,
            Command::Reverse(body) => return out.emit(Windowed::Reversal(Envelope { origin, body })),
            // Never comes this way: each flow decodes only its own.
            Command::Campaign(_) => return,
        };
        let window = event.event_time.floor(self.width);
        let late = self.closed_through.is_some_and(|closed| window.plus(self.width) <= closed);
        out.emit(Windowed::Event { event: Envelope { origin, body: event }, window, late });
    }
}

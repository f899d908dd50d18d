//! `Validate`: record → command, or a reject with all that is wrong with it.

use schemas::message::Origin;
use schemas::wire::{self, Context, Privacy};
use schemas::{Command, Envelope, Kind, Reject, Timestamp};

use crate::{Operator, Output};

/// Judges records one by one; what needs facts is judged later, by [`Horizon`](crate::Horizon) and the claim.
#[derive(Debug)]
pub struct Validate {
    source: Box<str>,
    ids: Ids,
    privacy: Privacy,
}

/// What tells a source's commands apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// The ids that their producers gave them; the position where there is none.
    Sent,
    /// The position alone: its producers give one id to many commands. What is sent twice is counted twice.
    Position,
}

impl Validate {
    /// For the partition named `source`, keeping what `privacy` allows of personal data.
    pub fn new(source: &str, ids: Ids, privacy: Privacy) -> Self {
        Self { source: source.into(), ids, privacy }
    }
}

impl Operator for Validate {
    type In = Envelope<wire::Record>;
    type Out = Envelope<Command>;

    fn on_item(&mut self, Envelope { origin, body: mut record }: Self::In, out: &mut Output<'_, Self::Out>) {
        let context = Context {
            source: &self.source,
            position: origin.position,
            published_at: origin.published_at,
            assigned_id: origin.assigned_id,
        };
        if self.ids == Ids::Position {
            record.forget_id();
        }
        let kind = record.kind();
        match record.validate(context, self.privacy) {
            Ok(command) => {
                // An event may be up to five minutes ahead of its publication; it must not take the watermark along.
                if let Some(time) = command.event_time() {
                    out.reach(time.min(origin.published_at));
                }
                out.emit(Envelope { origin, body: command });
            }
            Err(faults) => {
                let event_time = event_time(&origin, kind);
                out.reject(Reject::new(origin, Some(kind), event_time, faults));
            }
        }
    }
}

/// When a faulty command says that it happened. Rejects are few: they are read once more, so that all others are read once.
fn event_time(origin: &Origin, kind: Kind) -> Option<Timestamp> {
    origin.encoding.decode(Some(kind), &origin.payload).ok()?.event_time()
}

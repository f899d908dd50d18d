//! `Decode`: bytes → record, or reject `malformado`.

use schemas::{Envelope, Kind, RawMessage, Reject, wire};

use crate::{Operator, Output};

/// Reads messages, keeping only those of its flow. Ticks move event time on and end here.
#[derive(Debug)]
pub struct Decode {
    tracking: bool,
}

impl Decode {
    /// For the tracking flow. What cannot be told is tracking's, too, so that every bad message has one owner.
    pub const fn tracking() -> Self {
        Self { tracking: true }
    }

    /// For the campaigns flow.
    pub const fn campaigns() -> Self {
        Self { tracking: false }
    }
}

impl Operator for Decode {
    type In = RawMessage;
    type Out = Envelope<wire::Record>;

    fn on_item(&mut self, RawMessage { origin, kind }: RawMessage, out: &mut Output<'_, Self::Out>) {
        if kind == Some(Kind::Tick) {
            return out.reach(origin.published_at);
        }
        match wire::decode(kind, &origin.payload) {
            Ok(record) if record.kind().is_tracking() == self.tracking => out.emit(Envelope { origin, body: record }),
            Err(faults) if kind.is_none_or(Kind::is_tracking) == self.tracking => {
                out.reject(Reject::new(origin, kind, None, faults));
            }
            Ok(_) | Err(_) => out.leave(),
        }
    }
}

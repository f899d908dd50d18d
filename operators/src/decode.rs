//! `Decode`: bytes → record, or reject `malformado`.

use schemas::{Envelope, Kind, RawMessage, Reject, wire};

use crate::{Operator, Output};

/// Who else reads the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Every flow reads it: what belongs to another one can be left alone.
    Every,
    /// This flow alone: what belongs to another one must be sent there.
    One,
}

/// Reads messages, keeping only those of its flow. Ticks move event time on and end here.
#[derive(Debug)]
pub struct Decode {
    tracking: bool,
    readers: Readers,
}

impl Decode {
    /// For the tracking flow. What cannot be told is tracking's, too, so that every bad message has one owner.
    pub const fn tracking(readers: Readers) -> Self {
        Self { tracking: true, readers }
    }

    /// For the campaigns flow.
    pub const fn campaigns(readers: Readers) -> Self {
        Self { tracking: false, readers }
    }

    fn owns(&self, kind: Option<Kind>) -> bool {
        match (kind, self.readers) {
            (Some(kind), _) => kind.is_tracking() == self.tracking,
            (None, Readers::Every) => self.tracking,
            (None, Readers::One) => true,
        }
    }

    fn leave(&self, message: RawMessage, kind: Kind, out: &mut Output<'_, Envelope<wire::Record>>) {
        match self.readers {
            Readers::Every => out.leave(),
            Readers::One => out.forward(RawMessage { kind: Some(kind), ..message }),
        }
    }
}

impl Operator for Decode {
    type In = RawMessage;
    type Out = Envelope<wire::Record>;

    fn on_item(&mut self, message: RawMessage, out: &mut Output<'_, Self::Out>) {
        if message.kind == Some(Kind::Tick) {
            return out.reach(message.origin.published_at);
        }
        let RawMessage { origin, kind } = &message;
        let decoded = origin.encoding.decode(*kind, &origin.payload);
        let kind = decoded.as_ref().map_or(*kind, |record| Some(record.kind()));
        match (self.owns(kind), decoded, kind) {
            (true, Ok(record), _) => out.emit(Envelope { origin: message.origin, body: record }),
            (true, Err(faults), kind) => out.reject(Reject::new(message.origin, kind, None, faults)),
            (false, _, Some(kind)) => self.leave(message, kind, out),
            (false, _, None) => out.leave(),
        }
    }
}

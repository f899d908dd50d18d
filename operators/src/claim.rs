//! `Claims`: the pure half of exact deduplication. What asks for which key, and what follows from who held it.

use schemas::message::Origin;
use schemas::{
    Claim, ClaimKey, Code, Command, CommandId, Content, Envelope, Faults, HeldClaim, Kind, Reject, Timestamp,
};

use crate::Batch;

/// Splits a batch into those who ask for a key first and those who come after them.
#[derive(Debug)]
pub struct Claims {
    batch: Batch<Envelope<Command>>,
    /// What each item asks for. Copied out once, since items are far apart in memory and are not looked at in their order.
    asked: Vec<Claim>,
    /// The keys, each with the place of its item; sorted.
    keys: Vec<(ClaimKey, usize)>,
}

impl Claims {
    /// Looks at every item's key; the first of a key within the batch is the one that asks.
    pub fn of(batch: Batch<Envelope<Command>>) -> Self {
        let asked: Vec<_> = batch.items.iter().map(claim).collect();
        let mut keys: Vec<_> = asked.iter().enumerate().map(|(i, claim)| (claim.key, i)).collect();
        keys.sort_unstable();
        Self { batch, asked, keys }
    }

    /// What is asked for, sorted by key: the order in which every line takes its locks.
    pub fn wanted(&self) -> Vec<Claim> {
        self.same_keys().map(|same| self.asked[same[0].1]).collect()
    }

    /// What goes on, once it is known which keys others held before: the new ones. The same content again is a
    /// duplicate, other content is a conflict.
    pub fn settle(self, held: &HeldClaim) -> Batch<Envelope<Command>> {
        let holders = self.holders(held);
        let Self { mut batch, .. } = self;
        // In the place of what was there: as many items again would be a buffer of megabytes.
        let fresh = batch.take_items().into_iter().zip(holders).filter_map(|(item, holder)| {
            if holder.is_some_and(|content| content != item.body.content()) {
                let (kind, event_time) = (item.body.kind(), item.body.event_time());
                batch.rejects.push(conflict(item.origin, kind, item.body.id(), event_time));
                return None;
            }
            batch.resolved.extend(item.origin.replay_of);
            batch.duplicates += u64::from(holder.is_some());
            holder.is_none().then_some(item)
        });
        let fresh = fresh.collect();
        batch.with(fresh)
    }

    /// What the holder of each item's key said, if that is somebody else: one of `held`, or else who asked.
    fn holders(&self, held: &HeldClaim) -> Vec<Option<Content>> {
        let mut holders = vec![None; self.asked.len()];
        for same in self.same_keys() {
            let (key, first) = same[0];
            holders[first] = held.get(&key).copied();
            let holder = holders[first].unwrap_or(self.asked[first].content);
            same[1..].iter().for_each(|(_, i)| holders[*i] = Some(holder));
        }
        holders
    }

    fn same_keys(&self) -> impl Iterator<Item = &[(ClaimKey, usize)]> {
        self.keys.chunk_by(|(a, _), (b, _)| a == b)
    }
}

fn claim(item: &Envelope<Command>) -> Claim {
    let Envelope { origin, body } = item;
    Claim { key: ClaimKey::new(body.kind(), body.id()), content: body.content(), position: origin.position }
}

/// The reject of a command whose id is held with other content.
pub(crate) fn conflict(origin: Origin, kind: Kind, id: &CommandId, event_time: Option<Timestamp>) -> Reject {
    let detail = format!("{id} ya se usó con otro contenido; use otro id o envíe lo mismo");
    Reject::new(origin, Some(kind), event_time, Faults::one(Code::IdConflict, "id", detail))
}

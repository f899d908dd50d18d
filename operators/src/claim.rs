//! `Claims`: the pure half of exact deduplication. What asks for which key, and what follows from who held it.

use foldhash::{HashMap, HashMapExt};
use schemas::message::Origin;
use schemas::{
    Claim, ClaimKey, Code, Command, CommandId, Content, Envelope, Faults, HeldClaim, Kind, Reject, Timestamp,
};

use crate::Batch;

/// Splits a batch into those who ask for a key first and those who come after them.
#[derive(Debug)]
pub struct Claims {
    batch: Batch<Envelope<Command>>,
    keys: Vec<ClaimKey>,
    first: HashMap<ClaimKey, usize>,
}

impl Claims {
    /// Looks at every item's key; the first of a key within the batch is the one that asks.
    pub fn of(batch: Batch<Envelope<Command>>) -> Self {
        let keys: Vec<_> = batch.items.iter().map(|item| ClaimKey::new(item.body.kind(), item.body.id())).collect();
        let mut first = HashMap::with_capacity(keys.len());
        for (i, key) in keys.iter().enumerate() {
            first.entry(*key).or_insert(i);
        }
        Self { batch, keys, first }
    }

    /// What is asked for, sorted by key: the order in which every line takes its locks.
    pub fn wanted(&self) -> Vec<Claim> {
        let claim = |(key, i): (&ClaimKey, &usize)| {
            let item = &self.batch.items[*i];
            Claim { key: *key, content: item.body.content(), position: item.origin.position }
        };
        let mut wanted: Vec<_> = self.first.iter().map(claim).collect();
        wanted.sort_unstable_by_key(|claim| claim.key);
        wanted
    }

    /// What goes on, once it is known which keys others held before: the new ones. The same content again is a
    /// duplicate, other content is a conflict.
    pub fn settle(self, held: &HeldClaim) -> Batch<Envelope<Command>> {
        let Self { mut batch, keys, first } = self;
        let contents: Vec<Content> = batch.items.iter().map(|item| item.body.content()).collect();
        // In the place of what was there: as many items again would be a buffer of megabytes.
        let fresh = batch.take_items().into_iter().enumerate().filter_map(|(i, item)| {
            let asked = first.get(&keys[i]).copied().unwrap_or(i);
            let holder = held.get(&keys[i]).copied().or_else(|| (asked != i).then(|| contents[asked]));
            if holder.is_some_and(|content| content != contents[i]) {
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
}

/// The reject of a command whose id is held with other content.
pub(crate) fn conflict(origin: Origin, kind: Kind, id: &CommandId, event_time: Option<Timestamp>) -> Reject {
    let detail = format!("{id} ya se usó con otro contenido; use otro id o envíe lo mismo");
    Reject::new(origin, Some(kind), event_time, Faults::one(Code::IdConflict, "id", detail))
}

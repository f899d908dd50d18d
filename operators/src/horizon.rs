//! `Horizon`: refuses events older than the dedup horizon, whose claims may be gone.

use schemas::{Code, Command, Envelope, Facts, Fault, Faults, Reject, Timestamp};

use crate::{Batch, Operator, Output};

/// Rejects what is `demasiado_antiguo`. Runs within the epoch, since the horizon is a fact.
#[derive(Debug, Default)]
pub struct Horizon {
    horizon: Option<Timestamp>,
}

impl Horizon {
    /// Without a horizon, until the facts name one.
    pub fn new() -> Self {
        Self::default()
    }

    fn fault(&self, event_time: Timestamp) -> Option<Fault> {
        let horizon = self.horizon.filter(|horizon| event_time < *horizon)?;
        let detail = format!("es anterior a {horizon}, desde cuando se recuerdan los identificadores");
        Some(Fault { code: Code::TooOld, path: "timestamp", detail })
    }
}

impl Operator for Horizon {
    type In = Envelope<Command>;
    type Out = Envelope<Command>;

    fn on_facts(&mut self, facts: &Facts) {
        self.horizon = facts.dedup_horizon;
    }

    fn on_item(&mut self, item: Self::In, out: &mut Output<'_, Self::Out>) {
        let event_time = item.body.event_time();
        match event_time.and_then(|time| self.fault(time)) {
            None => out.emit(item),
            Some(Fault { code, path, detail }) => {
                let faults = Faults::one(code, path, detail);
                out.reject(Reject::new(item.origin, Some(item.body.kind()), event_time, faults));
            }
        }
    }

    fn on_batch(&mut self, mut batch: Batch<Self::In>) -> Batch<Self::Out> {
        if self.horizon.is_none() {
            return batch;
        }
        // What was rejected before is judged too: being too old may come before its other faults.
        for reject in &mut batch.rejects {
            if let Some(fault) = reject.event_time.and_then(|time| self.fault(time)) {
                reject.faults = reject.faults.clone().and(fault);
            }
        }
        let items = batch.take_items();
        let mut emitted = Vec::with_capacity(items.len());
        let mut out = Output::new(&mut emitted, &mut batch);
        items.into_iter().for_each(|item| self.on_item(item, &mut out));
        batch.with(emitted)
    }
}

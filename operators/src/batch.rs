//! The unit of travel: items, with their rejects and the span of positions riding along.

use schemas::{RawMessage, Reject, Span, Timestamp};

/// Some messages of one partition on their way through the line.
///
/// Rejects, counts and span travel with the items, so that dropping an item never loses its position.
#[derive(Debug, Clone)]
pub struct Batch<T> {
    /// What goes on.
    pub items: Vec<T>,
    /// What cannot be counted.
    pub rejects: Vec<Reject>,
    /// Duplicates seen so far.
    pub duplicates: u64,
    /// Rejects (by their ids) that a message of this batch replayed with success.
    pub resolved: Vec<i64>,
    /// The event time that the partition has reached: the watermark is the greatest so far.
    pub reached: Option<Timestamp>,
    /// What belongs to another flow, and nobody else will read here: it goes to that flow's log.
    pub strays: Vec<RawMessage>,
    /// What it covers of the partition.
    pub span: Span,
}

impl<T> Batch<T> {
    /// Fresh from a source.
    pub const fn new(items: Vec<T>, span: Span) -> Self {
        Self {
            items,
            rejects: Vec::new(),
            duplicates: 0,
            resolved: Vec::new(),
            reached: None,
            strays: Vec::new(),
            span,
        }
    }

    /// The same batch with other items.
    pub fn with<U>(self, items: Vec<U>) -> Batch<U> {
        let Self { items: _, rejects, duplicates, resolved, reached, strays, span } = self;
        Batch { items, rejects, duplicates, resolved, reached, strays, span }
    }

    /// Takes the items out, leaving the rest of the batch to go on with others.
    pub fn take_items(&mut self) -> Vec<T> {
        std::mem::take(&mut self.items)
    }
}

/// Where an operator puts what it makes of an item.
#[derive(Debug)]
pub struct Output<'a, T> {
    emitted: &'a mut Vec<T>,
    rejects: &'a mut Vec<Reject>,
    reached: &'a mut Option<Timestamp>,
    strays: &'a mut Vec<RawMessage>,
    messages: &'a mut u64,
}

impl<'a, T> Output<'a, T> {
    /// For the items of `batch`, which were taken out of it.
    pub(crate) const fn new<U>(emitted: &'a mut Vec<T>, batch: &'a mut Batch<U>) -> Self {
        let Batch { rejects, reached, strays, span, .. } = batch;
        Self { emitted, rejects, reached, strays, messages: &mut span.messages }
    }

    /// The same batch, with another place for what is emitted.
    pub(crate) const fn emitting<'b, U>(&'b mut self, emitted: &'b mut Vec<U>) -> Output<'b, U> {
        Output { emitted, rejects: self.rejects, reached: self.reached, strays: self.strays, messages: self.messages }
    }

    /// Sends an item on.
    pub fn emit(&mut self, item: T) {
        self.emitted.push(item);
    }

    /// Sets an item aside.
    pub fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }

    /// Leaves an item to another flow, which counts it among its messages.
    pub fn leave(&mut self) {
        *self.messages = self.messages.saturating_sub(1);
    }

    /// Leaves an item to another flow that does not read here: the epoch puts it into that flow's log.
    pub fn forward(&mut self, message: RawMessage) {
        self.strays.push(message);
        self.leave();
    }

    /// Notes that event time has come this far.
    pub fn reach(&mut self, time: Timestamp) {
        *self.reached = Some(self.reached.map_or(time, |reached| reached.max(time)));
    }
}

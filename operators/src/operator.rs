//! What an operator is, and the glue that chains operators onto streams.

use futures::{Stream, StreamExt};
use schemas::Facts;

use crate::{Batch, Output, Then};

/// One step of the dataflow.
pub trait Operator: Send {
    /// What it takes.
    type In: Send;
    /// What it makes.
    type Out: Send;

    /// Handles one item.
    fn on_item(&mut self, item: Self::In, out: &mut Output<'_, Self::Out>);

    /// Emits what it has gathered, at the end of a batch.
    fn on_end(&mut self, _out: &mut Output<'_, Self::Out>) {}

    /// Learns the facts that hold for the epoch in which it runs. Outside of an epoch there are none.
    fn on_facts(&mut self, _facts: &Facts) {}

    /// Handles a whole batch; by default item by item.
    fn on_batch(&mut self, mut batch: Batch<Self::In>) -> Batch<Self::Out> {
        let items = batch.take_items();
        let mut emitted = Vec::with_capacity(items.len());
        let mut out = Output::new(&mut emitted, &mut batch);
        for item in items {
            self.on_item(item, &mut out);
        }
        self.on_end(&mut out);
        batch.with(emitted)
    }

    /// This one and then `next`, each item going through both before the next one comes.
    fn then<B: Operator<In = Self::Out>>(self, next: B) -> Then<Self, B>
    where
        Self: Sized,
    {
        Then::new(self, next)
    }
}

/// What carries a batch through the line: a plain [`Batch`], or an epoch that has one inside.
pub trait Carry<T>: Sized {
    /// The same carrier with other items.
    type With<U>;

    /// Lets the operator work on the batch, telling it the facts if the carrier knows them.
    fn pass<O: Operator<In = T>>(self, operator: &mut O) -> Self::With<O::Out>;
}

impl<T: Send> Carry<T> for Batch<T> {
    type With<U> = Batch<U>;

    fn pass<O: Operator<In = T>>(self, operator: &mut O) -> Batch<O::Out> {
        operator.on_batch(self)
    }
}

/// Chains operators onto a stream of batches. An error passes by untouched and ends the line.
pub trait Dataflow<C, E>: Stream<Item = Result<C, E>> + Sized {
    /// Sends every batch through `operator`.
    fn apply<T, O>(self, mut operator: O) -> impl Stream<Item = Result<C::With<O::Out>, E>>
    where
        C: Carry<T>,
        O: Operator<In = T>,
    {
        self.map(move |carrier| carrier.map(|carrier| carrier.pass(&mut operator)))
    }
}

impl<C, E, S: Stream<Item = Result<C, E>>> Dataflow<C, E> for S {}

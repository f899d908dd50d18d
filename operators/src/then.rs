//! `Then`: two operators as one, item by item, so that an item is still at hand (in the processor's caches) when the
//! second one looks at it.

use schemas::Facts;

use crate::{Operator, Output};

/// The first operator, then the second; see [`Operator::then`].
#[derive(Debug)]
pub struct Then<A: Operator, B> {
    first: A,
    second: B,
    /// What the first made of an item; empty between items.
    between: Vec<A::Out>,
}

impl<A: Operator, B: Operator<In = A::Out>> Then<A, B> {
    pub(crate) const fn new(first: A, second: B) -> Self {
        Self { first, second, between: Vec::new() }
    }

    fn pass_on(&mut self, out: &mut Output<'_, B::Out>) {
        for item in self.between.drain(..) {
            self.second.on_item(item, out);
        }
    }
}

impl<A: Operator, B: Operator<In = A::Out>> Operator for Then<A, B> {
    type In = A::In;
    type Out = B::Out;

    fn on_item(&mut self, item: Self::In, out: &mut Output<'_, Self::Out>) {
        self.first.on_item(item, &mut out.emitting(&mut self.between));
        self.pass_on(out);
    }

    fn on_end(&mut self, out: &mut Output<'_, Self::Out>) {
        self.first.on_end(&mut out.emitting(&mut self.between));
        self.pass_on(out);
        self.second.on_end(out);
    }

    fn on_facts(&mut self, facts: &Facts) {
        self.first.on_facts(facts);
        self.second.on_facts(facts);
    }
}

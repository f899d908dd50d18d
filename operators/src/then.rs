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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;
    use schemas::{Position, Span};

    /// Emits each item at once, and how many there were at the end.
    #[derive(Default)]
    struct Count(u32);

    impl Operator for Count {
        type In = u32;
        type Out = u32;

        fn on_item(&mut self, item: u32, out: &mut Output<'_, u32>) {
            self.0 += 1;
            out.emit(item);
        }

        fn on_end(&mut self, out: &mut Output<'_, u32>) {
            out.emit(std::mem::take(&mut self.0));
        }
    }

    #[test]
    fn what_the_first_emits_at_the_end_goes_through_the_second_before_its_own_end() {
        let span = Span { after: Position::START, through: Position::START, messages: 2 };
        let mut both = Count::default().then(Count::default());
        for _ in 0..2 {
            assert_eq!(both.on_batch(Batch::new(vec![7, 8], span)).items, [7, 8, 2, 3]);
        }
    }
}

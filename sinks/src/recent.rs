//! What a line has claimed lately: a duplicate that comes soon after its original needs no look into the table.
//!
//! It holds contents that this line has claimed in epochs that were committed; one that fails takes the line, and this
//! with it. A content says the kind and the id, so who sends it again asks for the same key, and is a duplicate. A content
//! that is not here says nothing.

use foldhash::{HashSet, HashSetExt};
use schemas::Content;

/// Contents in each of two generations: at 17 bytes each with room to spare, 4.5 MB a line. Producers that send again do
/// so within minutes.
const GENERATION_MAX: usize = 114_000;

/// The contents of one or two generations of claims, the older of which is dropped when the younger is full.
#[derive(Debug)]
pub(crate) struct Recent {
    young: HashSet<Content>,
    old: HashSet<Content>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { young: HashSet::new(), old: HashSet::new() }
    }

    /// Whether it was claimed lately.
    pub(crate) fn holds(&self, content: &Content) -> bool {
        self.young.contains(content) || self.old.contains(content)
    }

    /// It is claimed.
    pub(crate) fn note(&mut self, content: Content) {
        if self.young.len() == GENERATION_MAX {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::content::ContentBuilder;

    #[test]
    fn the_latest_are_held_and_the_oldest_are_forgotten() {
        let content = |i: usize| ContentBuilder::new("x").text(Some(&i.to_string())).build();
        let mut recent = Recent::new();
        (0..3 * GENERATION_MAX).for_each(|i| recent.note(content(i)));
        assert!((GENERATION_MAX..3 * GENERATION_MAX).all(|i| recent.holds(&content(i))));
        assert!(!(0..GENERATION_MAX).any(|i| recent.holds(&content(i))));
    }
}

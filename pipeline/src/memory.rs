//! Messages in memory as a source: the line's twin for tests, with batches cut wherever the test wants them.

use operators::Batch;
use schemas::{Kind, Position, RawMessage, Span};

use crate::source::NothingToAcknowledge;
use crate::{Source, SourceError};

/// A partition whose messages are all known.
#[derive(Debug)]
pub struct MemorySource {
    name: String,
    after: Position,
    batches: std::vec::IntoIter<Vec<RawMessage>>,
}

impl MemorySource {
    /// The messages after `position`, in batches of the given sizes, the last of which repeats.
    pub fn new(name: &str, messages: &[RawMessage], position: Position, sizes: &[usize]) -> Self {
        let mut rest: Vec<_> = messages.iter().filter(|message| message.origin.position > position).cloned().collect();
        let mut batches = Vec::new();
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes.last().copied().unwrap_or(usize::MAX)));
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let tail = rest.split_off(size);
            batches.push(std::mem::replace(&mut rest, tail));
        }
        Self { name: name.into(), after: position, batches: batches.into_iter() }
    }
}

impl Source for MemorySource {
    type Acks = NothingToAcknowledge;

    fn name(&self) -> &str {
        &self.name
    }

    fn acks(&self) -> NothingToAcknowledge {
        NothingToAcknowledge
    }

    async fn next_batch(&mut self) -> Result<Option<Batch<RawMessage>>, SourceError> {
        let Some(messages) = self.batches.next() else { return Ok(None) };
        let after = self.after;
        self.after = messages.last().map_or(after, |message| message.origin.position);
        let counted = messages.iter().filter(|message| message.kind != Some(Kind::Tick)).count() as u64;
        Ok(Some(Batch::new(messages, Span { after, through: self.after, messages: counted })))
    }
}

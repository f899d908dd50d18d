//! Settling: marks as a stream of transactions, from what changed to what is posted.

use futures::stream::try_unfold;
use futures::{Stream, TryStreamExt};
use operators::commission::Overflow;
use operators::{Batch, Carry, Operator};
use schemas::commission::{Settled, Unsettled};
use schemas::{Position, Span};
use sinks::Ledger;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::LineError;

/// What is being settled, with the transaction that took its marks away. Dropped without
/// [`post`](Post::post), the marks are where they were; whoever led the ledger must then take it again.
#[derive(Debug)]
pub struct Settling<T> {
    ledger: OwnedMutexGuard<Ledger>,
    items: Vec<T>,
}

impl<T: Send> Carry<T> for Settling<T> {
    type With<U> = Settling<U>;

    fn pass<O: Operator<In = T>>(self, operator: &mut O) -> Settling<O::Out> {
        let span = Span { after: Position::START, through: Position::START, messages: 0 };
        let batch = operator.on_batch(Batch::new(self.items, span));
        Settling { ledger: self.ledger, items: batch.items }
    }
}

/// Takes marks away, some at a time, until there are none.
pub fn unsettled(ledger: Arc<Mutex<Ledger>>) -> impl Stream<Item = Result<Settling<Unsettled>, LineError>> + Send {
    try_unfold(ledger, |ledger| async move {
        let mut held = ledger.clone().lock_owned().await;
        let items = held.take().await?;
        Ok((!items.is_empty()).then(|| (Settling { ledger: held, items }, ledger)))
    })
}

/// The last step.
pub trait Post: Stream<Item = Result<Settling<Result<Settled, Overflow>>, LineError>> + Send + Sized {
    /// Posts what was settled, and commits; tells how many postings that were.
    fn post(self) -> impl Stream<Item = Result<u64, LineError>> + Send {
        self.and_then(post)
    }
}

impl<S: Stream<Item = Result<Settling<Result<Settled, Overflow>>, LineError>> + Send> Post for S {}

async fn post(settling: Settling<Result<Settled, Overflow>>) -> Result<u64, LineError> {
    let Settling { mut ledger, items } = settling;
    let settled = items.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(ledger.post(&settled).await?)
}

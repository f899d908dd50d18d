//! The dataflows. Each reads as the line it is: from bytes to a committed span.

use futures::Stream;
use operators::window::ONE_MINUTE;
use operators::{Commission, Dataflow, Decode, Describe, Horizon, Operator, Total, Validate, Window};
use schemas::Span;
use schemas::wire::Privacy;
use sinks::{Ledger, PostgresSink};
use std::sync::Arc;
use tokio::sync::Mutex;

use crate::epoch::{Ahead, Claim, Commit, Decide, Within};
use crate::settling::{Post, unsettled};
use crate::source::Batches;
use crate::{LineError, Source};

/// Impressions, clicks and conversions: claimed, put into windows, added up, committed with their position. Reversals go
/// along: they are claimed and stored, and change no count.
pub fn tracking<S: Source>(
    source: S,
    sink: PostgresSink,
    privacy: Privacy,
) -> impl Stream<Item = Result<Span, LineError>> + Send {
    let (decode, validate) = (Decode::tracking(source.readers()), Validate::new(source.name(), source.ids(), privacy));
    source
        .batches() // Batch<RawMessage>: bounded; positions ride along
        .apply(decode.then(validate)) // bytes → record → command | reject malformado, campo_faltante, valor_invalido …
        .ahead() // the next batch is decoded while this one commits
        .within(sink) // facts lock, position compare-and-set: from here on, one transaction
        .apply(Horizon::new()) //                  | reject demasiado_antiguo
        .claim() // keeps what is new | counts duplicates, rejects conflicto_de_id
        .apply(Window::tumbling(ONE_MINUTE).then(Total::per_window())) // → event in its window, late or not → sums
        .commit() // writes all, commits → the span, which the source may now forget
}

/// Campaigns, their states, influencers and commission terms: decided one by one, stored, announced.
pub fn campaigns<S: Source>(
    source: S,
    sink: PostgresSink,
    privacy: Privacy,
) -> impl Stream<Item = Result<Span, LineError>> + Send {
    let (decode, validate) = (Decode::campaigns(source.readers()), Validate::new(source.name(), source.ids(), privacy));
    source
        .batches()
        .apply(decode.then(validate))
        .ahead()
        .within(sink)
        .apply(Describe::new()) // command → what it says about its campaign
        .decide() // → change | counts duplicates, rejects conflicto_de_id, estado_invalido
        .commit()
}

/// What anything is worth now, less what was posted before: settled and posted until nothing is left to settle.
pub fn postings(ledger: Arc<Mutex<Ledger>>) -> impl Stream<Item = Result<u64, LineError>> + Send {
    unsettled(ledger) // marks taken away: from here on, one transaction
        .apply(Commission::new()) // hours and their conversions → R(f(after)) − R(f(before))
        .post() // accruals, commissions, ledger, balances; commits → the number of postings
}

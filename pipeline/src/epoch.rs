//! The second half of a line: batches inside of a transaction.

use futures::{Stream, StreamExt, TryStreamExt};
use operators::{Batch, Carry, Claims, Decided, Operator, Transition};
use schemas::{CampaignChange, CampaignCommand, Command, Envelope, Span, TrackingChanges};
use sinks::epoch::Tally;
use sinks::line::{EpochNames, FactsAccess};
use sinks::{PostgresSink, SinkError};
use std::future::Future;

use crate::LineError;
use crate::source::ahead;

/// A batch with the transaction that will hold what becomes of it.
#[derive(Debug)]
pub struct Epoch<T> {
    transaction: sinks::Epoch,
    batch: Batch<T>,
    accepted: u64,
}

impl<T: Send> Carry<T> for Epoch<T> {
    type With<U> = Epoch<U>;

    fn pass<O: Operator<In = T>>(self, operator: &mut O) -> Epoch<O::Out> {
        operator.on_facts(self.transaction.facts());
        Epoch { transaction: self.transaction, batch: operator.on_batch(self.batch), accepted: self.accepted }
    }
}

impl Epoch<Envelope<Command>> {
    async fn begin(sink: PostgresSink, batch: Batch<Envelope<Command>>) -> Result<Self, SinkError> {
        let transaction = sink.begin(batch.span, names(&batch), access(&batch)).await?;
        Ok(Self { transaction, batch, accepted: 0 })
    }

    async fn claim(mut self) -> Result<Self, SinkError> {
        let claims = Claims::of(self.batch);
        let held = self.transaction.claim(&claims.wanted()).await?;
        let batch = claims.settle(&held);
        Ok(Self { transaction: self.transaction, accepted: batch.items.len() as u64, batch })
    }
}

impl Epoch<Envelope<CampaignCommand>> {
    async fn decide(mut self) -> Result<Epoch<CampaignChange>, SinkError> {
        let transition = Transition::of(self.batch);
        let held = self.transaction.held(&transition.wanted()).await?;
        let campaigns = self.transaction.campaigns(&transition.campaigns()).await?;
        let Decided { claims, batch } = transition.decide(held, campaigns);
        self.transaction.claim_free(&claims).await?;
        Ok(Epoch { transaction: self.transaction, accepted: batch.items.len() as u64, batch })
    }
}

impl<T: Changes> Epoch<T> {
    async fn commit(self) -> Result<Span, SinkError> {
        let Self { mut transaction, batch, accepted } = self;
        T::write(&batch.items, &mut transaction).await?;
        transaction.write_rejects(&batch.rejects, &batch.resolved).await?;
        transaction.forward(batch.strays).await?;
        let tally = Tally { accepted, duplicates: batch.duplicates, rejected: batch.rejects.len() as u64 };
        transaction.commit(tally, batch.reached).await
    }
}

/// What is earned by what is a fact that other lines rely on.
fn access(batch: &Batch<Envelope<Command>>) -> FactsAccess {
    let changes =
        |item: &Envelope<Command>| matches!(&item.body, Command::Campaign(command) if command.changes_earnings());
    if batch.items.iter().any(changes) { FactsAccess::Change } else { FactsAccess::Read }
}

fn names(batch: &Batch<Envelope<Command>>) -> EpochNames<'_> {
    let room = || Vec::with_capacity(batch.items.len());
    let mut names = EpochNames { campaigns: room(), influencers: room() };
    for item in &batch.items {
        match &item.body {
            Command::Track(event) => {
                names.campaigns.push(&event.campaign);
                names.influencers.extend(event.influencer.as_deref());
            }
            // It names a conversion only, which may not have come.
            Command::Reverse(_) => {}
            Command::Campaign(command) => {
                names.campaigns.extend(command.campaign());
                names.influencers.extend(command.influencer());
            }
        }
    }
    names
}

/// What a flow writes at its end.
pub trait Changes: Send + Sync + Sized {
    /// Writes `items` into the epoch's tables.
    fn write(items: &[Self], epoch: &mut sinks::Epoch) -> impl Future<Output = Result<(), SinkError>> + Send;
}

impl Changes for TrackingChanges {
    async fn write(items: &[Self], epoch: &mut sinks::Epoch) -> Result<(), SinkError> {
        for changes in items {
            epoch.write_tracking(changes).await?;
        }
        Ok(())
    }
}

impl Changes for CampaignChange {
    async fn write(items: &[Self], epoch: &mut sinks::Epoch) -> Result<(), SinkError> {
        epoch.write_campaigns(items).await
    }
}

/// A step that runs everything before it in a task of its own.
pub trait Ahead<C>: Stream<Item = Result<C, LineError>> + Send + Sized + 'static {
    /// Decodes the next batch while the last one commits.
    fn ahead(self) -> impl Stream<Item = Result<C, LineError>> + Send
    where
        C: Send + 'static,
    {
        ahead(self)
    }
}

impl<C, S: Stream<Item = Result<C, LineError>> + Send + 'static> Ahead<C> for S {}

/// The step into a transaction.
pub trait Within: Stream<Item = Result<Batch<Envelope<Command>>, LineError>> + Send + Sized {
    /// Begins an epoch for each batch, one at a time.
    fn within(self, sink: PostgresSink) -> impl Stream<Item = Result<Epoch<Envelope<Command>>, LineError>> + Send {
        self.and_then(move |batch| {
            let sink = sink.clone();
            async move { Ok(Epoch::begin(sink, batch).await?) }
        })
    }
}

impl<S: Stream<Item = Result<Batch<Envelope<Command>>, LineError>> + Send> Within for S {}

/// The step that decides what is new.
pub trait Claim: Stream<Item = Result<Epoch<Envelope<Command>>, LineError>> + Send + Sized {
    /// Keeps the commands whose identity is new.
    fn claim(self) -> impl Stream<Item = Result<Epoch<Envelope<Command>>, LineError>> + Send {
        self.and_then(|epoch| async move { Ok(epoch.claim().await?) })
    }
}

impl<S: Stream<Item = Result<Epoch<Envelope<Command>>, LineError>> + Send> Claim for S {}

/// The step that decides what is new, and what its campaign allows.
pub trait Decide: Stream<Item = Result<Epoch<Envelope<CampaignCommand>>, LineError>> + Send + Sized {
    /// Keeps the commands whose identity is new and that their campaigns allow.
    fn decide(self) -> impl Stream<Item = Result<Epoch<CampaignChange>, LineError>> + Send {
        self.and_then(|epoch| async move { Ok(epoch.decide().await?) })
    }
}

impl<S: Stream<Item = Result<Epoch<Envelope<CampaignCommand>>, LineError>> + Send> Decide for S {}

/// The last step.
pub trait Commit<T: Changes>: Stream<Item = Result<Epoch<T>, LineError>> + Send + Sized {
    /// Writes what has become of each batch, and commits it with its position.
    fn commit(self) -> impl Stream<Item = Result<Span, LineError>> + Send {
        self.and_then(|epoch| async move { Ok(epoch.commit().await?) })
    }
}

impl<T: Changes, S: Stream<Item = Result<Epoch<T>, LineError>> + Send> Commit<T> for S {}

/// Runs a line to its end: the commits happen here, one by one, and `on_commit` hears of each.
pub async fn drain(
    line: impl Stream<Item = Result<Span, LineError>> + Send,
    mut on_commit: impl FnMut(&Span) + Send,
) -> Result<(), LineError> {
    let mut line = std::pin::pin!(line);
    while let Some(span) = line.next().await {
        on_commit(&span?);
    }
    Ok(())
}

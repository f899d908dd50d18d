//! An epoch: one batch of one line, one transaction. Data, sums, rejects and position commit together or not at all.
//!
//! Locks are taken in one order by every line: facts, position, claims, windows, totals, roll-ups, each sorted.

use chrono::NaiveDate;
use fail::fail_point;
use schemas::{
    CampaignChange, CampaignCommand, CampaignStatus, Claim, ClaimKey, Facts, HeldClaim, RawMessage, Reject, Span,
    Timestamp, TrackingChanges,
};
use sqlx::PgConnection;
use std::collections::HashMap;
use tokio::sync::OwnedMutexGuard;

use crate::impressions::RawRows;
use crate::ledger::marks;
use crate::names::Names;
use crate::recent::Recent;
use crate::suspects::Suspects;
use crate::windows::NumberedKey;
use crate::{
    Line, SinkError, campaign_edits, campaign_states, campaigns, claims, conversions, impressions, influencers, late,
    log, memberships, rejects, reversals, rollups, terms, totals, windows,
};

/// A transaction under way. Dropped without [`commit`](Self::commit), nothing of it remains; its line must then be
/// taken again, since its connection is in the middle of things.
#[derive(Debug)]
pub struct Epoch {
    line: OwnedMutexGuard<Line>,
    facts: Facts,
    span: Span,
    day: NaiveDate,
}

/// What a table's writer needs to know of the epoch.
pub(crate) struct Writer<'a> {
    pub(crate) connection: &'a mut PgConnection,
    pub(crate) campaigns: &'a Names,
    pub(crate) influencers: &'a Names,
    pub(crate) claimed: &'a mut Suspects<ClaimKey>,
    pub(crate) recent: &'a mut Recent,
    pub(crate) opened: &'a mut Suspects<NumberedKey>,
    pub(crate) line: i32,
    pub(crate) live: bool,
    pub(crate) raw_rows: RawRows,
    pub(crate) day: NaiveDate,
}

/// How a batch came out, for the tally of its line.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// Commands that were new.
    pub accepted: u64,
    /// Commands that were there already.
    pub duplicates: u64,
    /// Commands that could not be counted.
    pub rejected: u64,
}

impl Epoch {
    pub(crate) const fn new(line: OwnedMutexGuard<Line>, facts: Facts, span: Span, day: NaiveDate) -> Self {
        Self { line, facts, span, day }
    }

    /// The facts that hold until it ends.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    fn writer(&mut self) -> Writer<'_> {
        let Line { connection, campaigns, influencers, claimed, recent, opened, line, live, raw_rows, .. } =
            &mut *self.line;
        let (line, live, raw_rows, day) = (*line, *live, *raw_rows, self.day);
        Writer { connection, campaigns, influencers, claimed, recent, opened, line, live, raw_rows, day }
    }

    /// Claims identities; returns those that were held before, with their contents. `wanted` is sorted and distinct.
    pub async fn claim(&mut self, wanted: &[Claim]) -> Result<HeldClaim, SinkError> {
        let held = claims::insert(&mut self.writer(), wanted).await?;
        fail_point!("epoch::claimed", |_| std::process::abort());
        Ok(held)
    }

    /// Those of `wanted` that are held, with their contents; claims nothing.
    pub async fn held(&mut self, wanted: &[Claim]) -> Result<HeldClaim, SinkError> {
        claims::held(&mut self.writer(), wanted).await
    }

    /// Claims identities of which none is held. `claims` is sorted and distinct.
    pub async fn claim_free(&mut self, claims: &[Claim]) -> Result<(), SinkError> {
        claims::insert_free(&mut self.writer(), claims).await?;
        fail_point!("epoch::claimed", |_| std::process::abort());
        Ok(())
    }

    /// What those of the campaigns are that somebody has created.
    pub async fn campaigns(&mut self, ids: &[&str]) -> Result<HashMap<Box<str>, CampaignStatus>, SinkError> {
        Ok(campaigns::statuses(self.writer().connection, ids).await?)
    }

    /// Writes what the tracking line made of the batch.
    pub async fn write_tracking(&mut self, changes: &TrackingChanges) -> Result<(), SinkError> {
        let writer = &mut self.writer();
        impressions::write(writer, &changes.impressions).await?;
        conversions::insert(writer, &changes.conversions).await?;
        reversals::insert(writer, &changes.reversals).await?;
        fail_point!("epoch::rows_written", |_| std::process::abort());
        windows::add(writer, &changes.windows, &changes.amounts).await?;
        totals::add(writer, &changes.totals, &changes.total_amounts).await?;
        rollups::add_late(writer, &changes.windows, &changes.amounts).await?;
        late::insert(writer, &changes.late).await?;
        marks::leave(writer, changes).await?;
        fail_point!("epoch::sums_written", |_| std::process::abort());
        Ok(())
    }

    /// Writes what the campaigns line made of the batch.
    pub async fn write_campaigns(&mut self, changes: &[CampaignChange]) -> Result<(), SinkError> {
        let writer = &mut self.writer();
        for CampaignChange { command, unsettles } in changes {
            match command {
                CampaignCommand::Create(campaign) => campaigns::insert(writer, campaign).await?,
                CampaignCommand::Define(terms) => terms::define(writer, terms).await?,
                CampaignCommand::Edit(edit) => campaign_edits::apply(writer, edit).await?,
                CampaignCommand::Change(change) => campaign_states::insert(writer, change).await?,
                CampaignCommand::Register(influencer) => influencers::register(writer, influencer).await?,
                CampaignCommand::Belong(membership) => memberships::insert(writer, membership).await?,
            }
            if let Some(since) = unsettles {
                mark(writer, command, *since).await?;
            }
        }
        Ok(())
    }

    /// Writes the rejects, and marks those that a replay has resolved.
    pub async fn write_rejects(&mut self, rejects: &[Reject], resolved: &[i64]) -> Result<(), SinkError> {
        let writer = &mut self.writer();
        rejects::insert(writer, rejects).await?;
        rejects::resolve(writer, resolved).await
    }

    /// Puts messages that belong to another flow into its log, from where that flow's line reads them.
    pub async fn forward(&mut self, strays: Vec<RawMessage>) -> Result<(), SinkError> {
        let day = self.day;
        Ok(log::postgres::forward(&mut self.line.connection, day, strays).await?)
    }

    /// Commits everything; from here on the source may forget the span.
    pub async fn commit(mut self, tally: Tally, reached: Option<Timestamp>) -> Result<Span, SinkError> {
        self.tally(tally, reached).await?;
        fail_point!("epoch::before_commit", |_| std::process::abort());
        sqlx::raw_sql("COMMIT").execute(&mut self.line.connection).await?;
        self.line.position = self.span.through;
        fail_point!("epoch::committed", |_| std::process::abort());
        Ok(self.span)
    }

    /// The online check of every batch: what came in is what was accepted, a duplicate, or rejected.
    async fn tally(&mut self, tally: Tally, reached: Option<Timestamp>) -> Result<(), SinkError> {
        sqlx::query(
            "UPDATE lines SET accepted = accepted + $2, duplicates = duplicates + $3, rejected = rejected + $4,
                 messages = messages + $5, updated_at = clock_timestamp(),
                 watermark = greatest(watermark, $6)
             WHERE line = $1",
        )
        .bind(self.line.line)
        .bind(tally.accepted as i64)
        .bind(tally.duplicates as i64)
        .bind(tally.rejected as i64)
        .bind(self.span.messages as i64)
        .bind(reached.map(chrono::DateTime::from))
        .execute(&mut self.line.connection)
        .await?;
        Ok(())
    }
}

/// Leaves marks where `command` may have changed what is earned.
async fn mark(writer: &mut Writer<'_>, command: &CampaignCommand, since: Timestamp) -> Result<(), SinkError> {
    let Some(campaign) = command.campaign() else { return Ok(()) };
    let campaign = writer.campaigns.number(campaign)?;
    let influencer = command.influencer().map(|name| writer.influencers.number(name)).transpose()?;
    Ok(marks::leave_for_campaign(writer.connection, campaign, influencer, since.into()).await?)
}

//! `campaign_states`: what a campaign was told to be, from when on.

use chrono::{DateTime, Utc};
use schemas::StateChange;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
INSERT INTO campaign_states (tenant, id, campaign, valid_from, state, changed_at, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Stores a change of state; the epoch changes facts, so the order of changes is that of commits.
pub(crate) async fn insert(writer: &mut Writer<'_>, change: &StateChange) -> Result<(), SinkError> {
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(&*change.id)
        .bind(writer.campaigns.number(&change.campaign)?)
        .bind(DateTime::<Utc>::from(change.valid_from))
        .bind(change.state.name())
        .bind(DateTime::<Utc>::from(change.changed_at))
        .bind(change.reason.as_deref())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

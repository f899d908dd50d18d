//! `memberships`: who was added to a campaign or removed from it, from when on.

use chrono::{DateTime, Utc};
use schemas::Membership;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
INSERT INTO memberships (tenant, id, campaign, influencer, valid_from, member, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Stores a membership; the epoch changes facts, so the order of changes is that of commits.
pub(crate) async fn insert(writer: &mut Writer<'_>, membership: &Membership) -> Result<(), SinkError> {
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(&*membership.id)
        .bind(writer.campaigns.number(&membership.campaign)?)
        .bind(writer.influencers.number(&membership.influencer)?)
        .bind(DateTime::<Utc>::from(membership.valid_from))
        .bind(membership.member)
        .bind(DateTime::<Utc>::from(membership.changed_at))
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

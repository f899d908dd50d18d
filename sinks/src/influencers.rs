//! `influencers`: who they are, as last described. Personal data lie here and nowhere else.

use chrono::{DateTime, Utc};
use schemas::Influencer;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

/// Two lines may describe one person: what is committed last holds, whenever it was published.
const UPSERT: &str = "
WITH registration AS (
    INSERT INTO influencer_registrations (tenant, id, influencer, registered_at) VALUES ($1, $2, $3, $4)
)
INSERT INTO influencers AS i (influencer, tenant, id, name, email, identity_card, registered_at, updated_at)
VALUES ($3, $1, $5, $6, $7, $8, $4, $4)
ON CONFLICT (influencer) DO UPDATE SET name = $6, email = $7, identity_card = $8,
    registered_at = least(i.registered_at, $4), updated_at = greatest(i.updated_at, $4)";

/// Stores an influencer's data in place of those before.
pub(crate) async fn register(writer: &mut Writer<'_>, influencer: &Influencer) -> Result<(), SinkError> {
    sqlx::query(UPSERT)
        .bind(TENANT)
        .bind(&*influencer.id)
        .bind(writer.influencers.number(&influencer.influencer)?)
        .bind(DateTime::<Utc>::from(influencer.registered_at))
        .bind(&*influencer.influencer)
        .bind(influencer.name.as_deref())
        .bind(influencer.email.as_deref())
        .bind(influencer.identity_card.as_deref())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

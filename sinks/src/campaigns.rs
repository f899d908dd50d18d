//! `campaigns`: campaigns as their creators described them, each announced once in the outbox.

use chrono::{DateTime, Utc};
use schemas::{Campaign, Envelope, avro};

use crate::epoch::Writer;
use crate::{SinkError, TENANT, outbox};

/// The topic on which new campaigns are announced.
pub const CAMPAIGN_CREATED_TOPIC: &str = "eventos-campana";

const INSERT: &str = "
INSERT INTO campaigns (campaign, tenant, id, name, product, brand, budget, currency, influencers, conversions, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json, $11)";

/// Stores new campaigns, each with its `EventoCampañaCreada`.
pub(crate) async fn insert(writer: &mut Writer<'_>, created: &[Envelope<Campaign>]) -> Result<(), SinkError> {
    for Envelope { body: campaign, .. } in created {
        sqlx::query(INSERT)
            .bind(writer.campaigns.number(&campaign.id)?)
            .bind(TENANT)
            .bind(&*campaign.id)
            .bind(campaign.name.as_deref())
            .bind(campaign.product.as_deref())
            .bind(campaign.brand.as_deref())
            .bind(campaign.budget.amount())
            .bind(campaign.budget.currency().code())
            .bind(campaign.influencers.iter().map(|influencer| &**influencer).collect::<Vec<_>>())
            .bind(&*campaign.conversions)
            .bind(DateTime::<Utc>::from(campaign.created_at))
            .execute(&mut *writer.connection)
            .await?;
        let payload = avro::campaign_created(&campaign.id).map_err(|error| SinkError::Encoding(error.to_string()))?;
        outbox::insert(writer, CAMPAIGN_CREATED_TOPIC, &campaign.id, &payload).await?;
    }
    Ok(())
}

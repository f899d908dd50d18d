//! `campaigns`: campaigns as their creators described them, each announced once in the outbox.

use chrono::{DateTime, Utc};
use schemas::Campaign;
use schemas::avro::{self, AlpesEvent, AvroError, EventName};

use crate::epoch::Writer;
use crate::outbox::OutboxEvent;
use crate::pulsar::EVENTS;
use crate::relay::event_id;
use crate::{SinkError, TENANT, outbox};

/// The topics on which new campaigns are announced to the users' systems: the one that their document names, and the
/// one that their running code really publishes to.
pub const CAMPAIGN_CREATED_TOPICS: [&str; 2] = ["eventos-campana", "campana-creada"];

const INSERT: &str = "
INSERT INTO campaigns (campaign, tenant, id, name, product, brand, budget, currency, influencers, conversions, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json, $11)";

/// Stores a new campaign with its `EventoCampañaCreada`.
pub(crate) async fn insert(writer: &mut Writer<'_>, campaign: &Campaign) -> Result<(), SinkError> {
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
    announce(writer, campaign).await
}

async fn announce(writer: &mut Writer<'_>, campaign: &Campaign) -> Result<(), SinkError> {
    let encoding = |error: AvroError| SinkError::Encoding(error.to_string());
    let (key, event_id) = (&*campaign.id, event_id(EventName::CampaignCreated, &campaign.id));
    let users = avro::campaign_created(key).map_err(encoding)?;
    for topic in CAMPAIGN_CREATED_TOPICS {
        outbox::insert(writer, OutboxEvent { topic, key, event_id, payload: &users }).await?;
    }
    let created_at = campaign.created_at.to_string();
    let ours = AlpesEvent {
        event: EventName::CampaignCreated,
        id: event_id,
        command_id: key,
        campaign: key,
        influencer: None,
        user: None,
        event_type: None,
        conversion_type: None,
        amount: None,
        timestamp: Some(&created_at),
    };
    let ours = avro::registered(&ours).map_err(encoding)?;
    outbox::insert(writer, OutboxEvent { topic: EVENTS, key, event_id, payload: &ours }).await
}

//! `campaigns`: campaigns as they were last described, each announced once in the outbox.

use chrono::{DateTime, Utc};
use schemas::avro::{self, AlpesEvent, AvroError, EventName};
use schemas::{Campaign, CampaignState, CampaignStatus, Dates};
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;

use crate::epoch::Writer;
use crate::outbox::OutboxEvent;
use crate::pulsar::EVENTS;
use crate::relay::event_id;
use crate::{SinkError, TENANT, outbox};

/// The topics on which new campaigns are announced to the users' systems: the one that their document names, and the
/// one that their running code really publishes to.
pub const CAMPAIGN_CREATED_TOPICS: [&str; 2] = ["eventos-campana", "campana-creada"];

const INSERT: &str = "
INSERT INTO campaigns (campaign, tenant, id, name, product, brand, budget, currency, influencers, conversions, created_at,
                       budget_policy, starts_at, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json, $11, $12, $13, $14)";

const STATUSES: &str = "
SELECT c.id, c.currency, c.starts_at, c.ends_at, s.state, s.valid_from
FROM campaigns c LEFT JOIN LATERAL (
    SELECT state, valid_from FROM campaign_states WHERE campaign = c.campaign ORDER BY change DESC LIMIT 1
) s ON true
WHERE c.tenant = $1 AND c.id = ANY ($2)";

#[derive(Debug, FromRow)]
struct StatusRow {
    id: String,
    currency: String,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    state: Option<String>,
    valid_from: Option<DateTime<Utc>>,
}

/// What those of the campaigns are that somebody has created, for commands to be judged by.
pub async fn statuses(
    connection: &mut PgConnection,
    ids: &[&str],
) -> Result<HashMap<Box<str>, CampaignStatus>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<StatusRow> = sqlx::query_as(STATUSES).bind(TENANT).bind(ids).fetch_all(connection).await?;
    rows.into_iter().map(status).collect()
}

fn status(row: StatusRow) -> Result<(Box<str>, CampaignStatus), sqlx::Error> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("{what} of the campaign {}", row.id).into());
    let state = match &row.state {
        Some(name) => CampaignState::from_name(name).ok_or_else(|| unknown(name))?,
        None => CampaignState::Active,
    };
    let status = CampaignStatus {
        currency: row.currency.parse().map_err(|()| unknown(&row.currency))?,
        dates: Dates { starts_at: row.starts_at.map(Into::into), ends_at: row.ends_at.map(Into::into) },
        state,
        since: row.valid_from.map(Into::into),
    };
    Ok((row.id.into(), status))
}

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
        .bind(campaign.policy.name())
        .bind(campaign.dates.starts_at.map(DateTime::<Utc>::from))
        .bind(campaign.dates.ends_at.map(DateTime::<Utc>::from))
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

//! `comision-calculada`: every posting is announced, once, from the transaction that makes it.

use schemas::avro::{self, AvroError, CommissionCalculated};
use schemas::ids::derived_uuid;
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};

use super::postings::Row;
use crate::pulsar::COMMISSION_CALCULATED;
use crate::{SinkError, TENANT};

const INSERT: &str = "
INSERT INTO outbox (tenant, topic, key, event_id, payload)
SELECT $1, $2, r.key, r.event_id, r.payload FROM unnest($3::text[], $4::uuid[], $5::bytea[]) WITH ORDINALITY
     AS r(key, event_id, payload, place)
ORDER BY r.place";

type Names = HashMap<i32, String>;

/// Puts one event a posting into the outbox, in the order of the ledger.
pub(super) async fn announce(connection: &mut PgConnection, posted: &[Row]) -> Result<(), SinkError> {
    if posted.is_empty() {
        return Ok(());
    }
    let campaigns = "SELECT campaign, name FROM campaign_names WHERE campaign = ANY ($1)";
    let campaigns = names(connection, campaigns, posted.iter().map(|row| row.campaign)).await?;
    let influencers = "SELECT influencer, name FROM influencer_names WHERE influencer = ANY ($1)";
    let influencers = names(connection, influencers, posted.iter().map(|row| row.influencer)).await?;
    let terms = "SELECT terms, id FROM terms WHERE terms = ANY ($1)";
    let terms = names(connection, terms, posted.iter().map(|row| row.terms)).await?;
    let (mut keys, mut ids, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for row in posted {
        let (campaign, influencer) = (name(&campaigns, row.campaign)?, name(&influencers, row.influencer)?);
        let id = derived_uuid(&format!("{COMMISSION_CALCULATED}/{}", row.posting));
        let event = CommissionCalculated {
            id,
            posting: row.posting,
            campaign,
            influencer,
            amount: row.in_favour(),
            currency: row.currency,
            concept: row.concept,
            cause: row.cause,
            conversion: row.conversion.as_deref(),
            span: (row.event_from.into(), row.event_to.into()),
            terms: name(&terms, row.terms)?,
            rule: row.rule,
            reverses: row.reverses,
            posted_at: row.posted_at.into(),
        };
        let encoding = |error: AvroError| SinkError::Encoding(format!("the event of posting {}: {error}", row.posting));
        keys.push(format!("{campaign}/{influencer}"));
        ids.push(id);
        payloads.push(avro::commission_calculated(&event).map_err(encoding)?);
    }
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(COMMISSION_CALCULATED)
        .bind(keys)
        .bind(ids)
        .bind(payloads)
        .execute(connection)
        .await?;
    Ok(())
}

async fn names(
    connection: &mut PgConnection,
    select: &'static str,
    numbers: impl Iterator<Item = i32>,
) -> Result<Names, sqlx::Error> {
    let numbers: BTreeSet<i32> = numbers.collect();
    let rows: Vec<(i32, String)> =
        sqlx::query_as(select).bind(numbers.into_iter().collect::<Vec<_>>()).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

fn name(names: &Names, number: i32) -> Result<&str, sqlx::Error> {
    names.get(&number).map(String::as_str).ok_or(sqlx::Error::RowNotFound)
}

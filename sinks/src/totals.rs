//! `campaign_totals` and `campaign_total_amounts`: per campaign and summand, see `lines.summand`; readers add these up.

use foldhash::HashMap;
use rust_decimal::Decimal;
use schemas::{CampaignId, CampaignTotal, Currency};

use crate::SinkError;
use crate::epoch::Writer;

const ADD_COUNTS: &str = "
INSERT INTO campaign_totals AS t (campaign, summand, impressions, clicks, conversions, updated_at)
SELECT r.campaign, l.summand, r.impressions, r.clicks, r.conversions, clock_timestamp()
FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS r(campaign, impressions, clicks, conversions)
JOIN lines l ON l.line = $1
ON CONFLICT (campaign, summand) DO UPDATE
SET impressions = t.impressions + excluded.impressions, clicks = t.clicks + excluded.clicks,
    conversions = t.conversions + excluded.conversions, updated_at = excluded.updated_at";

const ADD_AMOUNTS: &str = "
INSERT INTO campaign_total_amounts AS t (campaign, summand, currency, amount)
SELECT r.campaign, l.summand, r.currency, r.amount
FROM unnest($2::int[], $3::text[], $4::numeric[]) AS r(campaign, currency, amount) JOIN lines l ON l.line = $1
ON CONFLICT (campaign, summand, currency) DO UPDATE SET amount = t.amount + excluded.amount";

/// Adds to the totals of this line's summand. Another file may share it, so rows are sorted: nobody waits in a circle.
pub(crate) async fn add(
    writer: &mut Writer<'_>,
    totals: &HashMap<CampaignId, CampaignTotal>,
    amounts: &HashMap<(CampaignId, Currency), Decimal>,
) -> Result<(), SinkError> {
    add_counts(writer, totals).await?;
    add_amounts(writer, amounts).await
}

async fn add_counts(writer: &mut Writer<'_>, totals: &HashMap<CampaignId, CampaignTotal>) -> Result<(), SinkError> {
    let mut rows = Vec::with_capacity(totals.len());
    for (campaign, total) in totals {
        rows.push((writer.campaigns.number(campaign)?, *total));
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|(campaign, _)| *campaign);
    sqlx::query(ADD_COUNTS)
        .bind(writer.line)
        .bind(rows.iter().map(|(campaign, _)| *campaign).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, total)| total.impressions).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, total)| total.clicks).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, total)| total.conversions).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

async fn add_amounts(
    writer: &mut Writer<'_>,
    amounts: &HashMap<(CampaignId, Currency), Decimal>,
) -> Result<(), SinkError> {
    let mut rows = Vec::with_capacity(amounts.len());
    for ((campaign, currency), amount) in amounts {
        rows.push((writer.campaigns.number(campaign)?, *currency, *amount));
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|(campaign, currency, _)| (*campaign, *currency));
    sqlx::query(ADD_AMOUNTS)
        .bind(writer.line)
        .bind(rows.iter().map(|(campaign, ..)| *campaign).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, currency, _)| currency.code()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, amount)| *amount).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

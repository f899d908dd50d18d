//! `rollups` and `rollup_amounts`: hours, days and all time, of the windows that are closed.
//!
//! The closer folds windows in as it closes them (`fold`); an epoch adds what comes for them later
//! (`add_late`). Both hold the facts lock (one exclusively, one shared), so each window is counted exactly once.

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use rust_decimal::Decimal;
use schemas::time::{DAY, HOUR};
use schemas::{Currency, Timestamp, WindowAmount, WindowCount, WindowKey};
use sqlx::PgConnection;
use std::collections::BTreeMap;

use crate::SinkError;
use crate::epoch::Writer;
use crate::windows::numbered;

/// The influencer number that stands for the whole campaign.
pub const WHOLE_CAMPAIGN: i32 = -1;

const ADD_COUNTS: &str = r#"
INSERT INTO rollups AS r (campaign, grain, influencer, start, impressions, clicks, conversions)
SELECT campaign, grain::"char", influencer, start, impressions, clicks, conversions
FROM unnest($1::int[], $2::text[], $3::int[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[])
     AS d(campaign, grain, influencer, start, impressions, clicks, conversions)
ON CONFLICT (campaign, grain, influencer, start) DO UPDATE
SET impressions = r.impressions + excluded.impressions, clicks = r.clicks + excluded.clicks,
    conversions = r.conversions + excluded.conversions"#;

const ADD_AMOUNTS: &str = r#"
INSERT INTO rollup_amounts AS r (campaign, grain, influencer, start, currency, amount)
SELECT campaign, grain::"char", influencer, start, currency, amount
FROM unnest($1::int[], $2::text[], $3::int[], $4::timestamptz[], $5::text[], $6::numeric[])
     AS d(campaign, grain, influencer, start, currency, amount)
ON CONFLICT (campaign, grain, influencer, start, currency) DO UPDATE SET amount = r.amount + excluded.amount"#;

const FOLD_COUNTS: &str = r#"
INSERT INTO rollups AS r (campaign, grain, influencer, start, impressions, clicks, conversions)
SELECT w.campaign, g.grain, i.influencer, g.start,
       sum(w.impressions)::bigint, sum(w.clicks)::bigint, sum(w.conversions)::bigint
FROM windows w
CROSS JOIN LATERAL (VALUES ('h'::"char", date_trunc('hour', w.start)), ('d', date_trunc('day', w.start)),
                           ('t', 'epoch'::timestamptz)) AS g(grain, start)
CROSS JOIN LATERAL (VALUES (w.influencer), (-1)) AS i(influencer)
WHERE w.start >= $1 AND w.start < $2
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (campaign, grain, influencer, start) DO UPDATE
SET impressions = r.impressions + excluded.impressions, clicks = r.clicks + excluded.clicks,
    conversions = r.conversions + excluded.conversions"#;

const FOLD_AMOUNTS: &str = r#"
INSERT INTO rollup_amounts AS r (campaign, grain, influencer, start, currency, amount)
SELECT w.campaign, g.grain, i.influencer, g.start, w.currency, sum(w.amount)
FROM window_amounts w
CROSS JOIN LATERAL (VALUES ('h'::"char", date_trunc('hour', w.start)), ('d', date_trunc('day', w.start)),
                           ('t', 'epoch'::timestamptz)) AS g(grain, start)
CROSS JOIN LATERAL (VALUES (w.influencer), (-1)) AS i(influencer)
WHERE w.start >= $1 AND w.start < $2
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (campaign, grain, influencer, start, currency) DO UPDATE SET amount = r.amount + excluded.amount"#;

/// A roll-up's key, in the order of the table's.
type RollupKey = (i32, &'static str, i32, DateTime<Utc>);

/// Adds what came for windows that were closed already.
pub(crate) async fn add_late(
    writer: &mut Writer<'_>,
    counts: &HashMap<WindowKey, WindowCount>,
    amounts: &HashMap<(WindowKey, Currency), WindowAmount>,
) -> Result<(), SinkError> {
    let mut late_counts: BTreeMap<RollupKey, WindowCount> = BTreeMap::new();
    for (key, count) in counts.iter().filter(|(_, count)| count.late) {
        for rollup in rollups_of(writer, key)? {
            let sum = late_counts.entry(rollup).or_default();
            sum.impressions += count.impressions;
            sum.clicks += count.clicks;
            sum.conversions += count.conversions;
        }
    }
    let mut late_amounts: BTreeMap<(RollupKey, Currency), Decimal> = BTreeMap::new();
    for ((key, currency), amount) in amounts.iter().filter(|(_, amount)| amount.late) {
        for rollup in rollups_of(writer, key)? {
            let sum = late_amounts.entry((rollup, *currency)).or_default();
            let more = sum.checked_add(amount.amount);
            *sum = more.ok_or_else(|| SinkError::Encoding("the sum of a roll-up".into()))?;
        }
    }
    add_counts(writer, late_counts).await?;
    add_amounts(writer, late_amounts).await
}

/// The six roll-ups that a window is part of: three grains, for its influencer and for the whole campaign.
fn rollups_of(writer: &Writer<'_>, key: &WindowKey) -> Result<[RollupKey; 6], sqlx::Error> {
    let (campaign, _, influencer) = numbered(writer, key)?;
    let [hour, day, total] = [key.start.floor(HOUR), key.start.floor(DAY), Timestamp::EPOCH].map(DateTime::from);
    Ok([
        (campaign, "h", influencer, hour),
        (campaign, "h", WHOLE_CAMPAIGN, hour),
        (campaign, "d", influencer, day),
        (campaign, "d", WHOLE_CAMPAIGN, day),
        (campaign, "t", influencer, total),
        (campaign, "t", WHOLE_CAMPAIGN, total),
    ])
}

async fn add_counts(writer: &mut Writer<'_>, rows: BTreeMap<RollupKey, WindowCount>) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(ADD_COUNTS)
        .bind(rows.keys().map(|key| key.0).collect::<Vec<_>>())
        .bind(rows.keys().map(|key| key.1).collect::<Vec<_>>())
        .bind(rows.keys().map(|key| key.2).collect::<Vec<_>>())
        .bind(rows.keys().map(|key| key.3).collect::<Vec<_>>())
        .bind(rows.values().map(|count| count.impressions).collect::<Vec<_>>())
        .bind(rows.values().map(|count| count.clicks).collect::<Vec<_>>())
        .bind(rows.values().map(|count| count.conversions).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

async fn add_amounts(writer: &mut Writer<'_>, rows: BTreeMap<(RollupKey, Currency), Decimal>) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(ADD_AMOUNTS)
        .bind(rows.keys().map(|(key, _)| key.0).collect::<Vec<_>>())
        .bind(rows.keys().map(|(key, _)| key.1).collect::<Vec<_>>())
        .bind(rows.keys().map(|(key, _)| key.2).collect::<Vec<_>>())
        .bind(rows.keys().map(|(key, _)| key.3).collect::<Vec<_>>())
        .bind(rows.keys().map(|(_, currency)| currency.code()).collect::<Vec<_>>())
        .bind(rows.values().copied().collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

/// Folds the windows that start in `[from, to)` into their roll-ups. The caller holds the facts lock exclusively.
pub(crate) async fn fold(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(FOLD_COUNTS).bind(from).bind(to).execute(&mut *connection).await?;
    sqlx::query(FOLD_AMOUNTS).bind(from).bind(to).execute(connection).await?;
    Ok(())
}

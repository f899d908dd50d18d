//! `balances`: sums of the postings by campaign, influencer and currency, moved with them.

use rust_decimal::Decimal;
use schemas::commission::Concept;
use sqlx::PgConnection;
use std::collections::BTreeMap;

use super::postings::Row;
use crate::SinkError;

const ADD: &str = "
INSERT INTO balances AS b (campaign, influencer, currency, earned, reversed)
SELECT * FROM unnest($1::int[], $2::int[], $3::text[], $4::numeric[], $5::numeric[])
ON CONFLICT (campaign, influencer, currency) DO UPDATE
SET earned = b.earned + excluded.earned, reversed = b.reversed + excluded.reversed";

type Key = (i32, i32, &'static str);

#[derive(Default)]
struct Sums {
    earned: Decimal,
    reversed: Decimal,
}

/// Adds what was posted.
pub(super) async fn add(connection: &mut PgConnection, rows: &[Row]) -> Result<(), SinkError> {
    let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
    for row in rows {
        let sums = sums.entry((row.campaign, row.influencer, row.currency)).or_default();
        let change = row.total_after.checked_sub(row.total_before);
        let sum = if row.concept == Concept::Reversal { &mut sums.reversed } else { &mut sums.earned };
        let more = change.and_then(|change| sum.checked_add(change));
        *sum = more.ok_or_else(|| SinkError::Encoding(format!("the balance of influencer {}", row.influencer)))?;
    }
    if sums.is_empty() {
        return Ok(());
    }
    sqlx::query(ADD)
        .bind(sums.keys().map(|key| key.0).collect::<Vec<_>>())
        .bind(sums.keys().map(|key| key.1).collect::<Vec<_>>())
        .bind(sums.keys().map(|key| key.2).collect::<Vec<_>>())
        .bind(sums.values().map(|sums| sums.earned).collect::<Vec<_>>())
        .bind(sums.values().map(|sums| sums.reversed).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

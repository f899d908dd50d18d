//! `windows` and `window_amounts`: counts and money per campaign × influencer × minute, corrected by every event.

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use schemas::{Currency, WindowAmount, WindowCount, WindowKey};

use crate::SinkError;
use crate::copy::{CopyRows, copy_if_new};
use crate::epoch::Writer;

const ADD_COUNTS: &str = "
INSERT INTO windows AS w (campaign, start, influencer, impressions, clicks, conversions, revision)
SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[])
ON CONFLICT (campaign, start, influencer) DO UPDATE
SET impressions = w.impressions + excluded.impressions, clicks = w.clicks + excluded.clicks,
    conversions = w.conversions + excluded.conversions, revision = w.revision + excluded.revision";

const COPY_COUNTS: &str = "COPY windows (campaign, start, influencer, impressions, clicks, conversions, revision) \
                           FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 7;

const ADD_AMOUNTS: &str = "
INSERT INTO window_amounts AS w (campaign, start, influencer, currency, amount)
SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::int[], $4::text[], $5::numeric[])
ON CONFLICT (campaign, start, influencer, currency) DO UPDATE SET amount = w.amount + excluded.amount";

/// A window's key with numbers for names, in the order of the table's key: the order in which every line locks rows.
pub(crate) type NumberedKey = (i32, DateTime<Utc>, i32);

/// Adds counts and amounts to their windows.
pub(crate) async fn add(
    writer: &mut Writer<'_>,
    counts: &HashMap<WindowKey, WindowCount>,
    amounts: &HashMap<(WindowKey, Currency), WindowAmount>,
) -> Result<(), SinkError> {
    add_counts(writer, counts).await?;
    add_amounts(writer, amounts).await
}

/// Windows that this line has not written yet are copied in, which costs half of an upsert; of sparse events, as real
/// programmes have them, nearly all windows are new. Should one be there all the same, all are added the exact way.
async fn add_counts(writer: &mut Writer<'_>, counts: &HashMap<WindowKey, WindowCount>) -> Result<(), SinkError> {
    let mut rows = Vec::with_capacity(counts.len());
    for (key, count) in counts {
        rows.push((numbered(writer, key)?, *count));
    }
    rows.sort_unstable_by_key(|(key, _)| *key);
    let (known, new): (Vec<CountRow>, Vec<CountRow>) = rows.iter().partition(|(key, _)| writer.opened.note(key));
    if copy_if_new(writer.connection, COPY_COUNTS, &new, write_count).await? {
        upsert_counts(writer, &known).await?;
    } else {
        upsert_counts(writer, &rows).await?;
    }
    Ok(())
}

type CountRow = (NumberedKey, WindowCount);

fn write_count(rows: &mut CopyRows, ((campaign, start, influencer), count): &CountRow) -> Result<(), sqlx::Error> {
    rows.row(COLUMNS)
        .i32(*campaign)
        .timestamp((*start).into())
        .i32(*influencer)
        .i64(count.impressions)
        .i64(count.clicks)
        .i64(count.conversions)
        .i32(i32::from(count.late));
    Ok(())
}

async fn upsert_counts(writer: &mut Writer<'_>, rows: &[CountRow]) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(ADD_COUNTS)
        .bind(rows.iter().map(|(key, _)| key.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.2).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, count)| count.impressions).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, count)| count.clicks).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, count)| count.conversions).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, count)| i32::from(count.late)).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

async fn add_amounts(
    writer: &mut Writer<'_>,
    amounts: &HashMap<(WindowKey, Currency), WindowAmount>,
) -> Result<(), SinkError> {
    let mut rows = Vec::with_capacity(amounts.len());
    for ((key, currency), amount) in amounts {
        rows.push((numbered(writer, key)?, *currency, amount.amount));
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|(key, currency, _)| (*key, *currency));
    sqlx::query(ADD_AMOUNTS)
        .bind(rows.iter().map(|(key, ..)| key.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, ..)| key.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, ..)| key.2).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, currency, _)| currency.code()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, amount)| *amount).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

pub(crate) fn numbered(writer: &Writer<'_>, key: &WindowKey) -> Result<NumberedKey, sqlx::Error> {
    let campaign = writer.campaigns.number(&key.campaign)?;
    Ok((campaign, key.start.into(), writer.influencers.number_or_nobody(key.influencer.as_deref())?))
}

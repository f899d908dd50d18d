//! Lists of raw rows, newest first, over daily partitions that hold rows by the day they came, not the day they tell of.

use chrono::{DateTime, NaiveDate, Utc};
use schemas::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool};
use std::cmp::Reverse;

use crate::page::{Limit, TimeKey};
use crate::time::Time;

/// How many times more days each round visits than the one before. Most pages lie in the first day; a quiet campaign's
/// may lie in all of them.
const MORE_DAYS: usize = 4;

/// A raw row of a list.
pub(crate) trait Listed: for<'r> FromRow<'r, PgRow> + Send + Unpin {
    /// Its place in the list.
    fn key(&self) -> TimeKey;
}

/// A statement over some days: `$1` campaign or influencer, `$2` days, `$3` and `$4` the cursor, `$5` rows.
macro_rules! list_of {
    ($columns:literal, $table:literal, $owner:literal) => {
        concat!(
            "SELECT r.*, c.name AS campaign_id, i.name AS influencer_id
             FROM unnest($2::date[]) AS d(day) CROSS JOIN LATERAL (
                 SELECT campaign, influencer, id, event_time, published_at, user_id, user_agent, ip_address, referrer, ",
            $columns,
            " FROM ", $table, " t
                 WHERE t.day = d.day AND t.", $owner, " = $1
                   AND t.event_time <= $3 AND (t.event_time, t.id COLLATE \"C\") < ($3, $4)
                 ORDER BY t.event_time DESC, t.id COLLATE \"C\" DESC LIMIT $5
             ) AS r
             JOIN campaign_names c ON c.campaign = r.campaign
             LEFT JOIN influencer_names i ON i.influencer = r.influencer
             ORDER BY r.event_time DESC, r.id COLLATE \"C\" DESC LIMIT $5"
        )
    };
}
pub(crate) use list_of;

/// A statement for one row: `$1` tenant, `$2` kind, `$3` the claimed id, `$4` the id. Found through its claim.
macro_rules! one_of {
    ($columns:literal, $table:literal) => {
        concat!(
            "SELECT r.id, r.event_time, r.published_at, r.user_id, r.user_agent, r.ip_address, r.referrer, ",
            $columns,
            ", c.name AS campaign_id, i.name AS influencer_id
             FROM claims k
             JOIN ",
            $table,
            " r ON r.day = k.day AND r.line = k.line AND r.ledger = k.ledger AND r.entry = k.entry
                                AND r.index = k.index AND r.id = $4
             JOIN campaign_names c ON c.campaign = r.campaign
             LEFT JOIN influencer_names i ON i.influencer = r.influencer
             WHERE k.tenant = $1 AND k.kind = $2 AND k.id = $3"
        )
    };
}
pub(crate) use one_of;

#[derive(Debug, FromRow)]
struct RawDay {
    day: NaiveDate,
    event_to: Time,
}

/// The page after `cursor` of the rows that belong to `owner`, exact whatever came when.
///
/// Days are visited by the newest event that they hold; when the page is full of rows that are newer than all that the
/// remaining days can hold, it is done.
pub(crate) async fn newest<T: Listed>(
    pool: &PgPool,
    statement: &'static str,
    owner: i32,
    cursor: Option<TimeKey>,
    limit: Limit,
) -> Result<Vec<T>, sqlx::Error> {
    let before = cursor.unwrap_or(TimeKey::NEWEST);
    let days = days(pool, before.time).await?;
    let (mut rows, mut visited, mut round) = (Vec::new(), 0, 1);
    while visited < days.len() && !is_complete(&rows, limit, &days[visited]) {
        let until = days.len().min(visited + round);
        let some: Vec<NaiveDate> = days[visited..until].iter().map(|day| day.day).collect();
        let more: Vec<T> = sqlx::query_as(statement)
            .bind(owner)
            .bind(some)
            .bind(DateTime::<Utc>::from(before.time))
            .bind(&before.id)
            .bind(limit.rows() as i64)
            .fetch_all(pool)
            .await?;
        rows.extend(more);
        rows.sort_by_cached_key(|row: &T| Reverse(row.key()));
        rows.truncate(limit.rows());
        (visited, round) = (until, round * MORE_DAYS);
    }
    Ok(rows)
}

/// The days that hold events at or before `time`, by the newest event in them, newest first.
async fn days(pool: &PgPool, time: Timestamp) -> Result<Vec<RawDay>, sqlx::Error> {
    let days = "SELECT day, max(event_to) AS event_to FROM raw_days GROUP BY day HAVING min(event_from) <= $1
                ORDER BY event_to DESC";
    sqlx::query_as(days).bind(DateTime::<Utc>::from(time)).fetch_all(pool).await
}

fn is_complete<T: Listed>(rows: &[T], limit: Limit, next: &RawDay) -> bool {
    let full = rows.last().filter(|_| rows.len() >= limit.rows());
    full.is_some_and(|last| last.key().time > Timestamp::from(next.event_to))
}

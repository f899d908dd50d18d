//! Lists of raw rows, newest first. The windows know how many rows each minute has, so they tell how far back a page
//! reaches, and raw rows are read of those minutes only.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool};

use crate::page::{Limit, TimeKey};
use crate::time::MINUTE;

/// A raw row of a list.
pub(crate) trait Listed: for<'r> FromRow<'r, PgRow> + Send + Unpin {
    /// Its place in the list.
    fn key(&self) -> TimeKey;
}

/// A page of the rows in `table` that belong to a campaign or an influencer (`$1`), after the row at `$3` with the id
/// `$4`, which lies in the minute `$2`; `$5` rows.
///
/// - `edge` is the minute with which the page is full. Every window counts at least one row, so `$5` windows suffice to
///   find it. The cursor's own minute is left out of the count: some of its rows were on the page before.
/// - `of_window` is what tells a window's rows, in terms that the table has an index for.
/// - Raw rows lie in partitions by the day they came; `raw_days` tells which of them can hold rows of a minute.
macro_rules! list_of {
    ($owner:literal, $rows:literal, $table:literal, $columns:literal, $of_window:literal) => {
        concat!(
            "WITH edge AS MATERIALIZED (
                 SELECT start FROM (
                     SELECT start, sum(n) OVER (ORDER BY start DESC ROWS UNBOUNDED PRECEDING) AS seen
                     FROM (SELECT start, ",
            $rows,
            " AS n FROM windows
                           WHERE ",
            $owner,
            " = $1 AND start < $2 AND ",
            $rows,
            " > 0
                           ORDER BY start DESC LIMIT $5) AS newest
                 ) AS summed
                 WHERE seen >= $5 ORDER BY start DESC LIMIT 1
             ), days AS MATERIALIZED (
                 SELECT day, min(event_from) AS event_from, max(event_to) AS event_to FROM raw_days GROUP BY day
             ), page AS (
                 SELECT r.*
                 FROM windows w
                 JOIN days d ON d.event_to >= w.start AND d.event_from < w.start + interval '1 minute'
                 CROSS JOIN LATERAL (
                     SELECT t.campaign, t.influencer, t.id, t.event_time, t.published_at, t.user_id, t.user_agent,
                            t.ip_address, t.referrer, ",
            $columns,
            "
                     FROM ",
            $table,
            " t
                     WHERE t.day = d.day AND ",
            $of_window,
            "
                       AND t.event_time >= w.start AND t.event_time < w.start + interval '1 minute'
                       AND t.event_time <= $3 AND (t.event_time, t.id COLLATE \"C\") < ($3, $4)
                     ORDER BY t.event_time DESC, t.id COLLATE \"C\" DESC LIMIT $5
                 ) AS r
                 WHERE w.",
            $owner,
            " = $1 AND w.start <= $2 AND ",
            $rows,
            " > 0
                   AND w.start >= coalesce((SELECT start FROM edge), '-infinity')
                 ORDER BY r.event_time DESC, r.id COLLATE \"C\" DESC LIMIT $5
             )
             SELECT page.*, c.name AS campaign_id, i.name AS influencer_id
             FROM page JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)
             ORDER BY page.event_time DESC, page.id COLLATE \"C\" DESC"
        )
    };
}
pub(crate) use list_of;

/// One row of `table`, found through its claim: `$1` tenant, `$2` kind, `$3` the claimed id, `$4` the id.
macro_rules! one_of {
    ($table:literal, $columns:literal) => {
        concat!(
            "SELECT t.id, t.event_time, t.published_at, t.user_id, t.user_agent, t.ip_address, t.referrer, ",
            $columns,
            ", c.name AS campaign_id, i.name AS influencer_id
             FROM claims k
             JOIN ",
            $table,
            " t ON t.day = k.day AND t.line = k.line AND t.ledger = k.ledger AND t.entry = k.entry
                                AND t.index = k.index AND t.id = $4
             JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)
             WHERE k.tenant = $1 AND k.kind = $2 AND k.id = $3"
        )
    };
}
pub(crate) use one_of;

/// The page of a [`list_of!`] `statement` after `cursor`.
pub(crate) async fn newest<T: Listed>(
    pool: &PgPool,
    statement: &'static str,
    owner: i32,
    cursor: Option<TimeKey>,
    limit: Limit,
) -> Result<Vec<T>, sqlx::Error> {
    let TimeKey { time, id } = cursor.unwrap_or(TimeKey::NEWEST);
    sqlx::query_as(statement)
        .bind(owner)
        .bind(DateTime::<Utc>::from(time.floor(MINUTE)))
        .bind(DateTime::<Utc>::from(time))
        .bind(id)
        .bind(limit.rows() as i64)
        .fetch_all(pool)
        .await
}

//! `held_postings`: what is not approved for payment. Earning goes on meanwhile.
//!
//! - A campaign whose policy is `detener` has its postings approved in the order of (event time, conversion) for as long as
//!   they fit into its budget; the first that does not, and all behind it, wait. Only the budget's currency counts.
//! - A disputed conversion waits for the verdict. Its commission keeps its place in the budget.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::collections::BTreeSet;

use super::marks::Mark;
use super::postings::Row;

/// Judges what was posted, and what waits in the campaigns that the marks name.
pub(super) async fn judge(
    connection: &mut PgConnection,
    marks: &BTreeSet<Mark>,
    posted: &[Row],
) -> Result<(), sqlx::Error> {
    let campaigns: BTreeSet<i32> = marks.iter().map(|mark| mark.campaign).collect();
    let campaigns: Vec<i32> = campaigns.into_iter().collect();
    let held = hold(connection, posted).await? + dispute(connection, marks).await?;
    let released = release(connection, &campaigns).await?;
    if held + released > 0 {
        sqlx::query(REFRESH).bind(&campaigns).execute(&mut *connection).await?;
    }
    warn_of_budgets(connection, posted).await
}

/// A posting against the influencer takes back what was approved, so it waits only behind what waits.
const HOLD: &str = "
INSERT INTO held_postings (posting, reason, campaign, event_time)
SELECT p.posting, 'b', p.campaign, p.event_from FROM postings p
JOIN campaigns k ON k.campaign = p.campaign AND k.currency = p.currency AND k.budget_policy = 'detener' AND k.budget > 0
WHERE p.posting BETWEEN $1 AND $2 AND (p.credit = 'p' OR EXISTS (
    SELECT FROM postings e JOIN held_postings h ON h.posting = e.posting AND h.reason = 'b'
    WHERE e.commission = p.commission))";

/// Where a budget stops approval, everything waits at first.
async fn hold(connection: &mut PgConnection, posted: &[Row]) -> Result<u64, sqlx::Error> {
    let (Some(first), Some(last)) = (posted.first(), posted.last()) else { return Ok(0) };
    Ok(sqlx::query(HOLD).bind(first.posting).bind(last.posting).execute(connection).await?.rows_affected())
}

const DISPUTED: &str = "
WITH disputed AS MATERIALIZED (
    SELECT p.posting, p.campaign, p.event_from,
           EXISTS (SELECT FROM effective_reversals e WHERE e.conversion_id = c.conversion AND e.open) AS open
    FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS m(campaign, influencer, hour)
    JOIN commissions c ON c.campaign = m.campaign AND c.influencer = m.influencer AND c.conversion IS NOT NULL
         AND c.start >= m.hour AND c.start < m.hour + interval '1 hour'
    JOIN postings p ON p.commission = c.commission
    WHERE EXISTS (SELECT FROM reversals r WHERE r.conversion_id = c.conversion AND r.kind <> 1)
), judged AS (
    DELETE FROM held_postings h USING disputed d WHERE h.posting = d.posting AND h.reason = 'd' AND NOT d.open
    RETURNING h.posting
), waits AS (
    INSERT INTO held_postings (posting, reason, campaign, event_time)
    SELECT posting, 'd', campaign, event_from FROM disputed WHERE open ON CONFLICT DO NOTHING
    RETURNING posting
)
SELECT (SELECT count(*) FROM judged) + (SELECT count(*) FROM waits)";

/// Holds what is disputed, and lets go what is not any more.
async fn dispute(connection: &mut PgConnection, marks: &BTreeSet<Mark>) -> Result<u64, sqlx::Error> {
    let disputes = "SELECT EXISTS (SELECT FROM reversals WHERE kind <> 1)";
    if !sqlx::query_scalar(disputes).fetch_one(&mut *connection).await? {
        return Ok(0);
    }
    let changed: i64 = sqlx::query_scalar(DISPUTED)
        .bind(marks.iter().map(|mark| mark.campaign).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| mark.influencer).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| mark.hour).collect::<Vec<DateTime<Utc>>>())
        .fetch_one(connection)
        .await?;
    Ok(changed.unsigned_abs())
}

const RELEASE: &str = "
WITH limits AS MATERIALIZED (
    SELECT k.campaign, k.budget, k.budget_policy = 'detener' AND k.budget > 0 AS stops,
           (SELECT coalesce(sum(b.earned - b.reversed), 0) FROM balances b
            WHERE b.campaign = k.campaign AND b.currency = k.currency)
         - (SELECT coalesce(sum(CASE p.credit WHEN 'p' THEN p.amount ELSE -p.amount END), 0)
            FROM held_postings h JOIN postings p USING (posting) WHERE h.campaign = k.campaign AND h.reason = 'b') AS spent
    FROM campaigns k
    WHERE k.campaign = ANY ($1) AND EXISTS (SELECT FROM held_postings h WHERE h.campaign = k.campaign AND h.reason = 'b')
), queue AS MATERIALIZED (
    SELECT h.posting, h.campaign, l.stops, l.budget, row_number() OVER line AS place,
           l.spent + sum(CASE p.credit WHEN 'p' THEN p.amount ELSE -p.amount END) OVER line AS spent
    FROM held_postings h JOIN limits l USING (campaign) JOIN postings p USING (posting) WHERE h.reason = 'b'
    WINDOW line AS (PARTITION BY h.campaign ORDER BY h.event_time, coalesce(p.conversion, ''), h.posting)
), stop AS (
    SELECT campaign, min(place) AS place FROM queue WHERE stops AND spent > budget GROUP BY campaign
)
DELETE FROM held_postings h USING queue q LEFT JOIN stop s USING (campaign)
WHERE h.posting = q.posting AND h.reason = 'b' AND (s.place IS NULL OR q.place < s.place)";

/// Approves, in order, what fits into the budget now; or all, where the policy does not stop any more.
async fn release(connection: &mut PgConnection, campaigns: &[i32]) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(RELEASE).bind(campaigns).execute(connection).await?.rows_affected())
}

const REFRESH: &str = "
UPDATE balances b SET held = coalesce(h.held, 0)
FROM balances o LEFT JOIN (
    SELECT p.campaign, p.influencer, p.currency, sum(CASE p.credit WHEN 'p' THEN p.amount ELSE -p.amount END) AS held
    FROM (SELECT DISTINCT posting FROM held_postings WHERE campaign = ANY ($1)) AS d JOIN postings p USING (posting)
    GROUP BY 1, 2, 3
) AS h USING (campaign, influencer, currency)
WHERE o.campaign = ANY ($1) AND (b.campaign, b.influencer, b.currency) = (o.campaign, o.influencer, o.currency)
  AND b.held <> coalesce(h.held, 0)";

const EXHAUSTED: &str = "
SELECT k.id, k.budget::text, k.currency FROM campaigns k
JOIN (SELECT campaign, currency, sum(CASE credit WHEN 'p' THEN amount ELSE -amount END) AS more FROM postings
      WHERE posting BETWEEN $1 AND $2 GROUP BY 1, 2) p ON p.campaign = k.campaign AND p.currency = k.currency
JOIN LATERAL (SELECT sum(earned - reversed) AS spent FROM balances b
              WHERE b.campaign = k.campaign AND b.currency = k.currency) s ON true
WHERE k.budget > 0 AND s.spent > k.budget AND s.spent - p.more <= k.budget";

/// Tells of every budget that this batch has run through.
async fn warn_of_budgets(connection: &mut PgConnection, posted: &[Row]) -> Result<(), sqlx::Error> {
    let (Some(first), Some(last)) = (posted.first(), posted.last()) else { return Ok(()) };
    let exhausted: Vec<(String, String, String)> =
        sqlx::query_as(EXHAUSTED).bind(first.posting).bind(last.posting).fetch_all(connection).await?;
    for (campaign, budget, currency) in exhausted {
        metrics::counter!("alpes_budgets_exhausted_total").increment(1);
        tracing::warn!(campaign, budget, currency, "more is earned than the campaign's budget");
    }
    Ok(())
}

//! `unsettled`: hours of event time in which something has changed that money depends on.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Every hour in which something of the campaign was counted: closed ones in the roll-ups, open ones in the windows.
const LEAVE: &str = "
INSERT INTO unsettled (campaign, influencer, hour, cause)
SELECT DISTINCT campaign, influencer, hour, 't'::\"char\"
FROM (SELECT campaign, influencer, start AS hour FROM rollups
      WHERE campaign = $1 AND grain = 'h' AND influencer > 0 AND start >= date_trunc('hour', $3, 'UTC')
      UNION ALL
      SELECT w.campaign, w.influencer, date_trunc('hour', w.start, 'UTC') FROM windows w
      WHERE w.campaign = $1 AND w.influencer > 0
        AND w.start >= greatest(coalesce((SELECT closed_through FROM facts), '-infinity'), $3)) s
WHERE $2::int IS NULL OR influencer = $2";

/// Leaves a mark on every hour of a campaign, or of one influencer in it, from `since` on.
pub(crate) async fn leave_for_campaign(
    connection: &mut PgConnection,
    campaign: i32,
    influencer: Option<i32>,
    since: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(LEAVE).bind(campaign).bind(influencer).bind(since).execute(connection).await?;
    Ok(())
}

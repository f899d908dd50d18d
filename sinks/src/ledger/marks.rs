//! `unsettled` and `unsettled_conversions`: where something has changed that money depends on.
//!
//! A mark is left in the transaction of the change, and taken away in the transaction that settles it. Whoever takes it
//! reads only after that, hence sees the change; a change that commits later has left a mark of its own. So nothing is
//! missed, and nobody waits for anybody.

use chrono::{DateTime, Utc};
use schemas::TrackingChanges;
use schemas::commission::Cause;
use schemas::time::HOUR;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

use crate::epoch::Writer;
use crate::names::NOBODY;
use crate::{SinkError, TENANT};

type Instant = DateTime<Utc>;

/// An hour of an influencer in a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) campaign: i32,
    pub(crate) influencer: i32,
    pub(crate) hour: Instant,
}

impl Mark {
    /// Before all others.
    pub(crate) const FIRST: Self = Self { campaign: i32::MIN, influencer: i32::MIN, hour: Instant::UNIX_EPOCH };
}

const LEAVE: &str = r#"
INSERT INTO unsettled (campaign, influencer, hour, cause)
SELECT campaign, influencer, hour, cause::"char" FROM unnest($1::int[], $2::int[], $3::timestamptz[], $4::text[])
     AS m(campaign, influencer, hour, cause)"#;

/// Marks what an epoch changes: conversions, which are posted at once, and windows that were closed already.
pub(crate) async fn leave(writer: &mut Writer<'_>, changes: &TrackingChanges) -> Result<(), SinkError> {
    let mut marks = BTreeSet::new();
    for event in &changes.conversions {
        if let Some(influencer) = event.body.influencer.as_deref() {
            let campaign = writer.campaigns.number(&event.body.campaign)?;
            let (influencer, hour) = (writer.influencers.number(influencer)?, event.body.event_time.floor(HOUR).into());
            marks.insert((Mark { campaign, influencer, hour }, Cause::Conversion.letter()));
        }
    }
    for (key, _) in changes.windows.iter().filter(|(_, count)| count.late) {
        if let Some(influencer) = key.influencer.as_deref() {
            let campaign = writer.campaigns.number(&key.campaign)?;
            let (influencer, hour) = (writer.influencers.number(influencer)?, key.start.floor(HOUR).into());
            marks.insert((Mark { campaign, influencer, hour }, Cause::Windows.letter()));
        }
    }
    if marks.is_empty() {
        return Ok(());
    }
    sqlx::query(LEAVE)
        .bind(marks.iter().map(|(mark, _)| mark.campaign).collect::<Vec<_>>())
        .bind(marks.iter().map(|(mark, _)| mark.influencer).collect::<Vec<_>>())
        .bind(marks.iter().map(|(mark, _)| mark.hour).collect::<Vec<_>>())
        .bind(marks.iter().map(|(_, cause)| *cause).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

const LEAVE_CLOSED: &str = r#"
INSERT INTO unsettled (campaign, influencer, hour, cause)
SELECT DISTINCT campaign, influencer, date_trunc('hour', start, 'UTC'), 'w'::"char" FROM windows
WHERE start >= $1 AND start < $2 AND influencer > 0 AND impressions + clicks > 0"#;

/// Marks the windows that start in `[from, to)`, which are being closed.
pub(crate) async fn leave_for_closed(
    connection: &mut PgConnection,
    from: Instant,
    to: Instant,
) -> Result<(), sqlx::Error> {
    sqlx::query(LEAVE_CLOSED).bind(from).bind(to).execute(connection).await?;
    Ok(())
}

/// Closed windows by the hours of the roll-ups, open ones by themselves.
const LEAVE_FOR_CAMPAIGN: &str = r#"
INSERT INTO unsettled (campaign, influencer, hour, cause)
SELECT DISTINCT campaign, influencer, hour, 't'::"char" FROM (
    SELECT campaign, influencer, start AS hour FROM rollups
    WHERE campaign = $1 AND grain = 'h' AND influencer > 0 AND start >= date_trunc('hour', $3::timestamptz, 'UTC')
    UNION ALL
    SELECT campaign, influencer, date_trunc('hour', start, 'UTC') FROM windows
    WHERE campaign = $1 AND influencer > 0
      AND start >= greatest((SELECT closed_through FROM facts), date_trunc('hour', $3::timestamptz, 'UTC'))
) AS hours WHERE $2::int IS NULL OR influencer = $2"#;

const REFRESH: &str = "
WITH gone AS (DELETE FROM not_earning WHERE campaign = $1)
INSERT INTO not_earning SELECT campaign, influencer, since, until FROM not_earning_spans WHERE campaign = $1";

/// Marks all that a campaign (or one influencer in it) has had since `since`: other terms, dates or states hold for it now.
/// The epoch changes facts, so nothing is counted or closed meanwhile.
pub(crate) async fn leave_for_campaign(
    connection: &mut PgConnection,
    campaign: i32,
    influencer: Option<i32>,
    since: Instant,
) -> Result<(), sqlx::Error> {
    sqlx::query(REFRESH).bind(campaign).execute(&mut *connection).await?;
    sqlx::query(LEAVE_FOR_CAMPAIGN).bind(campaign).bind(influencer).bind(since).execute(connection).await?;
    Ok(())
}

/// Marks a campaign whose budget is another one now, under nobody's name: nothing is worth anything else, but more or less
/// of it may be approved.
pub(crate) async fn leave_for_budget(connection: &mut PgConnection, campaign: i32) -> Result<(), sqlx::Error> {
    let leave = r#"INSERT INTO unsettled (campaign, influencer, hour, cause) VALUES ($1, $2, 'epoch', 't'::"char")"#;
    sqlx::query(leave).bind(campaign).bind(NOBODY).execute(connection).await?;
    Ok(())
}

/// Reversals whose conversions are looked for at once.
const REVERSED_AT_ONCE: i64 = 10_000;

/// One statement, hence one snapshot: a conversion that it does not hold leaves a mark of its own when it commits.
const FIND_REVERSED: &str = r#"
WITH taken AS (
    DELETE FROM unsettled_conversions WHERE ctid = ANY (ARRAY(SELECT ctid FROM unsettled_conversions LIMIT $1))
    RETURNING conversion
)
INSERT INTO unsettled (campaign, influencer, hour, cause)
SELECT r.campaign, r.influencer, date_trunc('hour', r.event_time, 'UTC'), 'r'::"char"
FROM (SELECT DISTINCT conversion FROM taken) t
JOIN claims c ON c.tenant = $2 AND c.kind = 2 AND c.id = t.conversion
JOIN conversions r ON r.day = c.day AND (r.line, r.ledger, r.entry, r.index) = (c.line, c.ledger, c.entry, c.index)
WHERE r.influencer > 0"#;

/// Turns marks of conversions into marks of their hours. A conversion that has not come yet will be settled when it does.
pub(super) async fn find_reversed(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let looked_for = "SELECT EXISTS (SELECT FROM unsettled_conversions)";
    while sqlx::query_scalar(looked_for).fetch_one(&mut *connection).await? {
        sqlx::query(FIND_REVERSED).bind(REVERSED_AT_ONCE).bind(TENANT).execute(&mut *connection).await?;
    }
    Ok(())
}

const TAKE: &str = "
WITH taken AS MATERIALIZED (
    SELECT DISTINCT campaign, influencer, hour FROM unsettled
    WHERE (campaign, influencer, hour) > ($1, $2, $3) ORDER BY campaign, influencer, hour LIMIT $4
)
DELETE FROM unsettled u USING taken t
WHERE u.campaign = t.campaign AND u.influencer = t.influencer AND u.hour = t.hour
RETURNING u.campaign, u.influencer, u.hour, u.cause::text";

/// Takes marks away: `limit` hours behind `after`, which is moved on, and from the beginning again where there are fewer.
pub(super) async fn take(
    connection: &mut PgConnection,
    after: &mut Mark,
    limit: i64,
) -> Result<BTreeMap<Mark, Cause>, sqlx::Error> {
    let mut marks: BTreeMap<Mark, Cause> = BTreeMap::new();
    for from in [*after, Mark::FIRST] {
        let rows: Vec<(i32, i32, Instant, String)> = sqlx::query_as(TAKE)
            .bind(from.campaign)
            .bind(from.influencer)
            .bind(from.hour)
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
        for (campaign, influencer, hour, cause) in rows {
            // The table holds no other letters.
            let cause = Cause::from_letter(&cause).unwrap_or(Cause::Windows);
            let known = marks.entry(Mark { campaign, influencer, hour }).or_insert(cause);
            *known = cause.max(*known);
        }
        if !marks.is_empty() {
            break;
        }
    }
    *after = marks.keys().next_back().copied().unwrap_or(Mark::FIRST);
    Ok(marks)
}

//! Hours, days and all time, against the windows that are closed: for each influencer, and (-1) for all of a campaign.

use super::Check;

pub(super) const ALL: &[Check] = &[ROLLUPS, ROLLUP_AMOUNTS];

const ROLLUPS: Check = Check {
    name: "roll-ups",
    pairs: r#"
WITH closed AS (
    SELECT w.* FROM windows w, facts f WHERE w.start + interval '1 minute' <= f.closed_through),
hours AS (
    SELECT campaign, influencer, date_bin('1 hour', start, 'epoch') AS start, sum(impressions) AS impressions,
           sum(clicks) AS clicks, sum(conversions) AS conversions
    FROM closed GROUP BY 1, 2, 3),
grains AS (
    SELECT campaign, influencer, 'h'::"char" AS grain, start, impressions, clicks, conversions FROM hours
    UNION ALL
    SELECT campaign, influencer, 'd', date_bin('1 day', start, 'epoch'), sum(impressions), sum(clicks), sum(conversions)
    FROM hours GROUP BY 1, 2, 4
    UNION ALL
    SELECT campaign, influencer, 't', 'epoch', sum(impressions), sum(clicks), sum(conversions)
    FROM hours GROUP BY 1, 2),
expected AS (
    SELECT * FROM grains
    UNION ALL
    SELECT campaign, -1, grain, start, sum(impressions), sum(clicks), sum(conversions) FROM grains GROUP BY 1, 3, 4)
SELECT (e.impressions, e.clicks, e.conversions) IS NOT DISTINCT FROM (s.impressions, s.clicks, s.conversions) AS same,
       campaign, influencer, format('%s %s', grain, start) AS place,
       e.impressions || ' impressions, ' || e.clicks || ' clicks, ' || e.conversions || ' conversions' AS expected,
       s.impressions || ' impressions, ' || s.clicks || ' clicks, ' || s.conversions || ' conversions' AS found
FROM expected e FULL JOIN rollups s USING (campaign, influencer, grain, start)"#,
};

const ROLLUP_AMOUNTS: Check = Check {
    name: "roll-up amounts",
    pairs: r#"
WITH closed AS (
    SELECT w.* FROM window_amounts w, facts f WHERE w.start + interval '1 minute' <= f.closed_through),
hours AS (
    SELECT campaign, influencer, currency, date_bin('1 hour', start, 'epoch') AS start, sum(amount) AS amount
    FROM closed GROUP BY 1, 2, 3, 4),
grains AS (
    SELECT campaign, influencer, currency, 'h'::"char" AS grain, start, amount FROM hours
    UNION ALL
    SELECT campaign, influencer, currency, 'd', date_bin('1 day', start, 'epoch'), sum(amount)
    FROM hours GROUP BY 1, 2, 3, 5
    UNION ALL
    SELECT campaign, influencer, currency, 't', 'epoch', sum(amount) FROM hours GROUP BY 1, 2, 3),
expected AS (
    SELECT * FROM grains
    UNION ALL
    SELECT campaign, -1, currency, grain, start, sum(amount) FROM grains GROUP BY 1, 3, 4, 5)
SELECT coalesce(e.amount, 0) = coalesce(s.amount, 0) AS same, campaign, influencer,
       format('%s %s %s', grain, start, currency) AS place, e.amount::text AS expected, s.amount::text AS found
FROM expected e FULL JOIN rollup_amounts s USING (campaign, influencer, currency, grain, start)"#,
};

//! Windows and campaign totals, against the raw rows.
//!
//! Where lines have left rows of impressions and clicks unstored, windows and totals may hold more than the rows that
//! there are, but in all exactly as many as the lines say.

use super::Check;

pub(super) const ALL: &[Check] =
    &[WINDOWS, WINDOW_AMOUNTS, CAMPAIGN_TOTALS, CAMPAIGN_TOTAL_AMOUNTS, TOTALS_OF_WINDOWS, AMOUNTS_OF_WINDOWS];

const WINDOWS: Check = Check {
    name: "windows",
    pairs: "
SELECT (e.impressions, e.clicks, e.conversions) IS NOT DISTINCT FROM (s.impressions, s.clicks, s.conversions)
           OR (SELECT sum(unstored) > 0 FROM lines) AND coalesce(e.impressions, 0) <= s.impressions
              AND coalesce(e.clicks, 0) <= s.clicks AND coalesce(e.conversions, 0) = s.conversions AS same,
       campaign, influencer, start::text AS place,
       e.impressions || ' impressions, ' || e.clicks || ' clicks, ' || e.conversions || ' conversions' AS expected,
       s.impressions || ' impressions, ' || s.clicks || ' clicks, ' || s.conversions || ' conversions' AS found
FROM (SELECT campaign, date_bin('1 minute', event_time, 'epoch') AS start, influencer,
             count(*) FILTER (WHERE what = 'i') AS impressions, count(*) FILTER (WHERE what = 'c') AS clicks,
             count(*) FILTER (WHERE what = 'v') AS conversions
      FROM (SELECT campaign, influencer, event_time, CASE WHEN click THEN 'c' ELSE 'i' END AS what FROM impressions
            UNION ALL SELECT campaign, influencer, event_time, 'v' FROM conversions) r
      GROUP BY 1, 2, 3) e
FULL JOIN windows s USING (campaign, start, influencer)",
};

const WINDOW_AMOUNTS: Check = Check {
    name: "window amounts",
    pairs: "
SELECT coalesce(e.amount, 0) = coalesce(s.amount, 0) AS same, campaign, influencer,
       format('%s %s', start, currency) AS place, e.amount::text AS expected, s.amount::text AS found
FROM (SELECT campaign, date_bin('1 minute', event_time, 'epoch') AS start, influencer, currency, sum(amount) AS amount
      FROM conversions GROUP BY 1, 2, 3, 4) e
FULL JOIN window_amounts s USING (campaign, start, influencer, currency)",
};

const CAMPAIGN_TOTALS: Check = Check {
    name: "campaign totals",
    pairs: "
WITH summands AS MATERIALIZED (SELECT summand, sum(unstored) AS unstored FROM lines GROUP BY summand),
pairs AS (
SELECT campaign, summand, e.impressions AS i, e.clicks AS c, e.conversions AS v, s.impressions, s.clicks, s.conversions
FROM (SELECT campaign, summand,
             coalesce(sum(n) FILTER (WHERE what = 'i'), 0) AS impressions,
             coalesce(sum(n) FILTER (WHERE what = 'c'), 0) AS clicks,
             coalesce(sum(n) FILTER (WHERE what = 'v'), 0) AS conversions
      FROM (SELECT campaign, line, CASE WHEN click THEN 'c' ELSE 'i' END AS what, count(*) AS n FROM impressions
            GROUP BY 1, 2, 3
            UNION ALL SELECT campaign, line, 'v', count(*) FROM conversions GROUP BY 1, 2) r
      JOIN lines USING (line) GROUP BY campaign, summand) e
FULL JOIN campaign_totals s USING (campaign, summand)
)
SELECT (i, c, v) IS NOT DISTINCT FROM (impressions, clicks, conversions)
           OR l.unstored > 0 AND coalesce(i, 0) <= impressions AND coalesce(c, 0) <= clicks
              AND coalesce(v, 0) = conversions AS same,
       campaign, NULL::int AS influencer, 'summand ' || summand AS place,
       i || ' impressions, ' || c || ' clicks, ' || v || ' conversions' AS expected,
       impressions || ' impressions, ' || clicks || ' clicks, ' || conversions || ' conversions' AS found
FROM pairs LEFT JOIN summands l USING (summand)
UNION ALL
SELECT l.unstored = p.n, NULL, NULL, 'summand ' || summand, l.unstored || ' events without a row',
       p.n || ' more events than rows'
FROM summands l
JOIN (SELECT summand, sum(impressions + clicks) - coalesce(sum(i + c), 0) AS n FROM pairs GROUP BY summand) p USING (summand)
WHERE l.unstored > 0",
};

const CAMPAIGN_TOTAL_AMOUNTS: Check = Check {
    name: "campaign total amounts",
    pairs: "
SELECT coalesce(e.amount, 0) = coalesce(s.amount, 0) AS same, campaign, NULL::int AS influencer,
       format('summand %s %s', summand, currency) AS place, e.amount::text AS expected, s.amount::text AS found
FROM (SELECT campaign, summand, currency, sum(amount) AS amount FROM conversions JOIN lines USING (line)
      GROUP BY 1, 2, 3) e
FULL JOIN campaign_total_amounts s USING (campaign, summand, currency)",
};

/// What readers see: the summands added up, beside the windows added up.
const TOTALS_OF_WINDOWS: Check = Check {
    name: "campaign totals of windows",
    pairs: "
SELECT (e.impressions, e.clicks, e.conversions) IS NOT DISTINCT FROM (s.impressions, s.clicks, s.conversions) AS same,
       campaign, NULL::int AS influencer, NULL::text AS place,
       e.impressions || ' impressions, ' || e.clicks || ' clicks, ' || e.conversions || ' conversions' AS expected,
       s.impressions || ' impressions, ' || s.clicks || ' clicks, ' || s.conversions || ' conversions' AS found
FROM (SELECT campaign, sum(impressions) AS impressions, sum(clicks) AS clicks, sum(conversions) AS conversions
      FROM windows GROUP BY campaign) e
FULL JOIN (SELECT campaign, sum(impressions) AS impressions, sum(clicks) AS clicks, sum(conversions) AS conversions
           FROM campaign_totals GROUP BY campaign) s USING (campaign)",
};

const AMOUNTS_OF_WINDOWS: Check = Check {
    name: "campaign total amounts of windows",
    pairs: "
SELECT coalesce(e.amount, 0) = coalesce(s.amount, 0) AS same, campaign, NULL::int AS influencer, currency AS place,
       e.amount::text AS expected, s.amount::text AS found
FROM (SELECT campaign, currency, sum(amount) AS amount FROM window_amounts GROUP BY campaign, currency) e
FULL JOIN (SELECT campaign, currency, sum(amount) AS amount FROM campaign_total_amounts GROUP BY campaign, currency) s
    USING (campaign, currency)",
};

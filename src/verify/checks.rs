//! All comparisons, and those of claims, lines, rejects and lists.

use super::{Check, campaigns, commissions, counts, rollups};

/// In the order in which they are made.
pub(super) fn all() -> impl Iterator<Item = Check> {
    [counts::ALL, rollups::ALL, ALL, campaigns::ALL, commissions::ALL].into_iter().flatten().copied()
}

const ALL: &[Check] =
    &[CLAIMS, IDS, LINES, ACCEPTED, REVERSALS, POSITIONS, REJECTS, REVISIONS, LATE_EVENTS, RAW_DAYS, NAMES];

/// Every raw row has one claim that points to it, and every claim one raw row, but for as many of each line's impressions
/// and clicks as it says to have left unstored. Reversals lie in no days.
const CLAIMS: Check = Check {
    name: "claims of raw rows",
    pairs: "
WITH pairs AS (
SELECT kind, line, ledger, entry, index, day, sum(raw) AS raw, sum(claimed) AS claimed
FROM (SELECT 1 AS kind, line, ledger, entry, index, day, 1 AS raw, 0 AS claimed FROM impressions
      UNION ALL SELECT 2, line, ledger, entry, index, day, 1, 0 FROM conversions
      UNION ALL SELECT 3, line, ledger, entry, index, NULL, 1, 0 FROM reversals
      UNION ALL SELECT kind, line, ledger, entry, index, CASE WHEN kind <> 3 THEN day END, 0, 1 FROM claims
                WHERE kind IN (1, 2, 3)) r
GROUP BY kind, line, ledger, entry, index, day
), judged AS (
SELECT p.*, l.unstored > 0 AND kind = 1 AND raw = 0 AND claimed = 1 AS unstored FROM pairs p LEFT JOIN lines l USING (line)
)
SELECT raw = 1 AND claimed = 1 AS same, NULL::int AS campaign, NULL::int AS influencer,
       format('kind %s line %s position %s:%s:%s day %s', kind, line, ledger, entry, index, day) AS place,
       raw || ' rows' AS expected, claimed || ' claims' AS found
FROM judged WHERE unstored IS NOT TRUE
UNION ALL
SELECT l.unstored = (SELECT count(*) FROM judged j WHERE j.line = l.line AND j.unstored), NULL, NULL,
       format('%s %s', flow, source), l.unstored || ' without a row',
       (SELECT count(*) FROM judged j WHERE j.line = l.line AND j.unstored) || ' claims without a row'
FROM lines l WHERE l.unstored > 0",
};

/// No id is counted twice.
const IDS: Check = Check {
    name: "ids of raw rows",
    pairs: "
SELECT n = 1 AS same, NULL::int AS campaign, NULL::int AS influencer, format('kind %s id %s', kind, id) AS place,
       '1 row' AS expected, n || ' rows' AS found
FROM (SELECT 1 AS kind, id, count(*) AS n FROM impressions GROUP BY id
      UNION ALL SELECT 2, id, count(*) FROM conversions GROUP BY id) r",
};

/// What came in was accepted, a duplicate, or rejected.
const LINES: Check = Check {
    name: "lines: messages",
    pairs: "
SELECT messages = accepted + duplicates + rejected AS same, NULL::int AS campaign, NULL::int AS influencer,
       format('%s %s', flow, source) AS place, format('%s messages', messages) AS expected,
       format('%s accepted, %s duplicates, %s rejected', accepted, duplicates, rejected) AS found
FROM lines",
};

/// Each line's accepted commands are its claims.
const ACCEPTED: Check = Check {
    name: "lines: accepted",
    pairs: "
SELECT coalesce(l.accepted, 0) = coalesce(c.n, 0) AS same, NULL::int AS campaign, NULL::int AS influencer,
       format('line %s %s %s', coalesce(l.line, c.line), l.flow, l.source) AS place,
       c.n || ' claims' AS expected, l.accepted || ' accepted' AS found
FROM lines l FULL JOIN (SELECT line, count(*) AS n FROM claims GROUP BY line) c USING (line)",
};

/// The relay counts on events of all that was accepted but these.
const REVERSALS: Check = Check {
    name: "lines: reversals",
    pairs: "
SELECT coalesce(l.reversals, 0) = coalesce(r.n, 0) AS same, NULL::int AS campaign, NULL::int AS influencer,
       format('line %s %s %s', coalesce(l.line, r.line), l.flow, l.source) AS place,
       r.n || ' rows' AS expected, l.reversals || ' reversals' AS found
FROM lines l FULL JOIN (SELECT line, count(*) AS n FROM reversals GROUP BY line) r USING (line)",
};

/// Nothing lies beyond the position of its line: it would be read, and counted, once more.
const POSITIONS: Check = Check {
    name: "lines: positions",
    pairs: "
SELECT n = 0 AS same, NULL::int AS campaign, NULL::int AS influencer, format('%s %s', flow, source) AS place,
       'nothing beyond its position' AS expected, n || ' rows' AS found
FROM (SELECT l.flow, l.source, count(r.line) AS n
      FROM lines l LEFT JOIN (SELECT line, ledger, entry, index FROM claims
                              UNION ALL SELECT line, ledger, entry, index FROM rejects) r
        ON r.line = l.line AND (r.ledger, r.entry, r.index) > (l.ledger, l.entry, l.index)
      GROUP BY l.line) p",
};

/// Each rejected message made a row, but for the replays that failed again: those changed the row of their reject. How
/// many they were is known within bounds: all replays of a reject, less the last where it resolved it.
const REJECTS: Check = Check {
    name: "rejects",
    pairs: "
WITH stored AS (SELECT line, count(*) AS n FROM rejects GROUP BY line),
     again AS (SELECT count(*) FILTER (WHERE replays > 0 AND resolved_at IS NULL) AS least,
                      coalesce(sum(replays), 0) - count(*) FILTER (WHERE resolved_at IS NOT NULL) AS most FROM rejects),
     rejected AS (SELECT coalesce(sum(rejected), 0) - (SELECT count(*) FROM rejects) AS without_row FROM lines)
SELECT coalesce(s.n, 0) <= coalesce(l.rejected, 0) AS same, NULL::int AS campaign, NULL::int AS influencer,
       format('line %s %s %s', coalesce(l.line, s.line), l.flow, l.source) AS place,
       format('%s rejected', coalesce(l.rejected, 0)) AS expected, s.n || ' rows' AS found
FROM lines l FULL JOIN stored s USING (line)
UNION ALL
SELECT without_row BETWEEN least AND most, NULL, NULL, 'rejected without a row of their own',
       format('%s to %s failed replays', least, most), without_row::text FROM again, rejected",
};

/// Only what is closed is corrected, at most once by each of its events, and certainly by those that are on the late
/// list.
const REVISIONS: Check = Check {
    name: "windows: revisions",
    pairs: "
SELECT w.revision BETWEEN least(coalesce(e.n, 0), 1)
                      AND CASE WHEN w.start + interval '1 minute' <= f.closed_through
                               THEN w.impressions + w.clicks + w.conversions ELSE 0 END AS same,
       w.campaign, w.influencer, w.start::text AS place,
       format('%s late events, %s events, closed through %s', coalesce(e.n, 0),
              w.impressions + w.clicks + w.conversions, coalesce(f.closed_through::text, 'nothing')) AS expected,
       'revision ' || w.revision AS found
FROM windows w LEFT JOIN facts f ON true
LEFT JOIN (SELECT campaign, start, influencer, count(*) AS n FROM late_events GROUP BY 1, 2, 3) e
       USING (campaign, start, influencer)",
};

/// Every late event is a raw row (if its line has stored all), listed once, whose window is closed.
const LATE_EVENTS: Check = Check {
    name: "late events",
    pairs: "
SELECT ((e.campaign, e.influencer, e.event_time, e.published_at)
            IS NOT DISTINCT FROM (r.campaign, r.influencer, r.event_time, r.published_at)
            OR r.line IS NULL AND l.unstored > 0)
           AND e.listed = 1 AND e.start = date_bin('1 minute', e.event_time, 'epoch')
           AND coalesce(e.start + interval '1 minute' <= f.closed_through, false) AS same,
       e.campaign, e.influencer, format('line %s position %s:%s:%s', e.line, e.ledger, e.entry, e.index) AS place,
       coalesce('a row of ' || r.event_time, 'no row') || ', closed through ' || coalesce(f.closed_through::text, 'nothing')
           AS expected,
       format('%s in the window of %s, listed %s times', e.event_time, e.start, e.listed) AS found
FROM (SELECT *, count(*) OVER (PARTITION BY line, ledger, entry, index) AS listed FROM late_events) e
LEFT JOIN facts f ON true
LEFT JOIN lines l USING (line)
LEFT JOIN (SELECT line, ledger, entry, index, campaign, influencer, event_time, published_at FROM impressions
           UNION ALL
           SELECT line, ledger, entry, index, campaign, influencer, event_time, published_at FROM conversions) r
       ON (r.line, r.ledger, r.entry, r.index) = (e.line, e.ledger, e.entry, e.index)",
};

/// Lists look for events only on the days whose span of event time says so.
const RAW_DAYS: Check = Check {
    name: "days of raw rows",
    pairs: "
SELECT (e.event_from, e.event_to) IS NOT DISTINCT FROM (d.event_from, d.event_to) AS same,
       NULL::int AS campaign, NULL::int AS influencer, format('day %s line %s', day, line) AS place,
       e.event_from || ' to ' || e.event_to AS expected, d.event_from || ' to ' || d.event_to AS found
FROM (SELECT day, line, min(event_time) AS event_from, max(event_time) AS event_to
      FROM (SELECT day, line, event_time FROM impressions UNION ALL SELECT day, line, event_time FROM conversions) r
      GROUP BY day, line) e
FULL JOIN raw_days d USING (day, line)",
};

/// Every number that stands for a name has one.
const NAMES: Check = Check {
    name: "names",
    pairs: "
SELECT c.name IS NOT NULL AS same, n.campaign, NULL::int AS influencer, NULL::text AS place,
       'a name' AS expected, c.name AS found
FROM (SELECT DISTINCT campaign FROM windows) n LEFT JOIN campaign_names c USING (campaign)
UNION ALL
SELECT i.name IS NOT NULL, NULL, n.influencer, NULL, 'a name', i.name
FROM (SELECT DISTINCT influencer FROM windows WHERE influencer <> 0) n LEFT JOIN influencer_names i USING (influencer)",
};

//! Campaigns: their names, announcements, states and members.

use super::Check;

pub(super) const ALL: &[Check] = &[CAMPAIGN_NAMES, OUTBOX, STATES, MEMBERSHIPS, EDITS, INFLUENCERS];

/// A campaign's description belongs to the name whose number it has.
const CAMPAIGN_NAMES: Check = Check {
    name: "campaigns: names",
    pairs: "
SELECT (k.tenant, k.id) IS NOT DISTINCT FROM (c.tenant, c.name) AS same, k.campaign, NULL::int AS influencer,
       NULL::text AS place, k.id AS expected, c.name AS found
FROM campaigns k LEFT JOIN campaign_names c USING (campaign)",
};

/// Each campaign was announced once, by its own id (Avro: the id's bytes are the last of the payload).
const OUTBOX: Check = Check {
    name: "campaigns: announced",
    pairs: "
SELECT k.id IS NOT NULL AND coalesce(o.n = 1 AND o.says_so, false) AS same, k.campaign, NULL::int AS influencer,
       coalesce(k.id, o.key) AS place, CASE WHEN k.id IS NOT NULL THEN '1 event' END AS expected,
       o.n || CASE WHEN o.says_so THEN ' events' ELSE ' events, of another id' END AS found
FROM campaigns k
FULL JOIN (SELECT tenant, key, count(*) AS n,
                  bool_and(right(encode(payload, 'hex'), 2 * octet_length(key)) = encode(convert_to(key, 'UTF8'), 'hex'))
                      AS says_so
           FROM outbox WHERE topic = 'eventos-campana' GROUP BY tenant, key) o
  ON (o.tenant, o.key) = (k.tenant, k.id)",
};

/// Changes of state are of campaigns that exist, allowed, on whole minutes, and never go back in time.
const STATES: Check = Check {
    name: "campaign states",
    pairs: "
SELECT k.campaign IS NOT NULL AND s.valid_from >= s.since AND s.valid_from = date_bin('1 minute', s.valid_from, 'epoch')
           AND (s.before, s.state) IN (('ACTIVA', 'PAUSADA'), ('ACTIVA', 'FINALIZADA'), ('PAUSADA', 'ACTIVA'),
                                       ('PAUSADA', 'FINALIZADA')) AS same,
       s.campaign, NULL::int AS influencer, 'command ' || s.id AS place,
       CASE WHEN k.campaign IS NOT NULL THEN format('a change from %s since %s', s.before, s.since)
            ELSE 'no such campaign' END AS expected,
       format('%s since %s', s.state, s.valid_from) AS found
FROM (SELECT *, coalesce(lag(state) OVER w, 'ACTIVA') AS before, coalesce(lag(valid_from) OVER w, '-infinity') AS since
      FROM campaign_states WINDOW w AS (PARTITION BY campaign ORDER BY change)) s
LEFT JOIN campaigns k USING (campaign)",
};

/// Who is added or removed has a name, and so has the campaign, which exists; on whole minutes.
const MEMBERSHIPS: Check = Check {
    name: "memberships",
    pairs: "
SELECT k.campaign IS NOT NULL AND i.name IS NOT NULL AND m.valid_from = date_bin('1 minute', m.valid_from, 'epoch') AS same,
       m.campaign, m.influencer, 'command ' || m.id AS place, 'a campaign, an influencer, a minute' AS expected,
       concat_ws(', ', k.id, i.name, m.valid_from) AS found
FROM memberships m LEFT JOIN campaigns k USING (campaign) LEFT JOIN influencer_names i USING (influencer)",
};

/// What was edited exists.
const EDITS: Check = Check {
    name: "campaign edits",
    pairs: "
SELECT k.campaign IS NOT NULL AND e.keys <> '{}' AS same, e.campaign, NULL::int AS influencer, 'command ' || e.id AS place,
       'a campaign with new keys' AS expected, concat_ws(' ', k.id, e.keys::text) AS found
FROM campaign_edits e LEFT JOIN campaigns k USING (campaign)",
};

/// Each influencer was registered first and last when her data say so, under the name whose number she has.
const INFLUENCERS: Check = Check {
    name: "influencers",
    pairs: "
SELECT (p.tenant, p.id, p.registered_at, p.updated_at)
           IS NOT DISTINCT FROM (n.tenant, n.name, r.registered_at, r.updated_at) AS same,
       NULL::int AS campaign, influencer, NULL::text AS place,
       format('%s registered %s to %s', n.name, r.registered_at, r.updated_at) AS expected,
       format('%s registered %s to %s', p.id, p.registered_at, p.updated_at) AS found
FROM influencers p
FULL JOIN (SELECT influencer, min(registered_at) AS registered_at, max(registered_at) AS updated_at
           FROM influencer_registrations GROUP BY influencer) r USING (influencer)
LEFT JOIN influencer_names n USING (influencer)",
};

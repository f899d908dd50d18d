//! What everything is worth, computed again from raw rows and terms, against what was settled and posted.
//!
//! Influencers in campaigns for whom something waits to be settled are left out: they are right once that is done.

use super::Check;

pub(super) const ALL: &[Check] =
    &[SPANS, CONVERSIONS, PERIODS, ACCRUALS, ACCRUAL_HOURS, SUMS, STEPS, BALANCES, RUNNING_BALANCES, HELD, ANNOUNCED];

/// For whom something waits to be settled.
macro_rules! waiting {
    () => {
        "waiting AS (
    SELECT campaign, influencer, true AS waits FROM unsettled
    UNION
    SELECT v.campaign, v.influencer, true FROM unsettled_conversions u
    JOIN claims k ON k.kind = 2 AND k.id = u.conversion
    JOIN conversions v ON (v.day, v.line, v.ledger, v.entry, v.index) = (k.day, k.line, k.ledger, k.entry, k.index))"
    };
}

/// Every window of somebody's, with the terms that it is under: their own, else the general ones; the latest that begin
/// before it. None where it earns nothing.
macro_rules! minutes {
    () => {
        "minutes AS MATERIALIZED (
    SELECT w.campaign, w.influencer, w.start, w.impressions, w.clicks, w.conversions,
           coalesce((SELECT terms FROM terms t WHERE t.campaign = w.campaign AND t.influencer = w.influencer
                         AND t.valid_from <= w.start ORDER BY t.valid_from DESC, t.terms DESC LIMIT 1),
                    (SELECT terms FROM terms t WHERE t.campaign = w.campaign AND t.influencer IS NULL
                         AND t.valid_from <= w.start ORDER BY t.valid_from DESC, t.terms DESC LIMIT 1)) AS terms
    FROM windows w LEFT JOIN campaigns k ON k.campaign = w.campaign
    WHERE w.influencer > 0
      AND (k.starts_at IS NULL OR w.start >= k.starts_at) AND (k.ends_at IS NULL OR w.start < k.ends_at)
      AND coalesce((SELECT state FROM campaign_states s WHERE s.campaign = w.campaign AND s.valid_from <= w.start
                    ORDER BY s.valid_from DESC, s.change DESC LIMIT 1), 'ACTIVA') = 'ACTIVA'
      AND coalesce((SELECT member FROM memberships m WHERE m.campaign = w.campaign AND m.influencer = w.influencer
                        AND m.valid_from <= w.start ORDER BY m.valid_from DESC, m.change DESC LIMIT 1), true))"
    };
}

/// Half to even, to hundredths, otherwise than the line does it.
macro_rules! rounded {
    ($value:literal) => {
        concat!(
            "(CASE WHEN abs((",
            $value,
            ") * 100 - trunc((",
            $value,
            ") * 100)) = 0.5 THEN round((",
            $value,
            ") * 50) / 50 ELSE round(",
            $value,
            ", 2) END)"
        )
    };
}

/// Every conversion under its rule, with what was taken back of it: refunds and lost disputes in its own currency.
macro_rules! sales {
    () => {
        concat!(
            "sales AS MATERIALIZED (
    SELECT c.campaign, c.influencer, c.event_time, c.id, r.terms, r.rule, r.cap, r.period, r.tier_since, r.tier_rates,
           r.retroactive, r.amount AS flat, r.percent, c.amount, coalesce(r.currency, c.currency) AS currency,
           coalesce(r.amount, ", rounded!("c.amount * r.percent / 100"), ") AS earned,
           CASE WHEN b.amount IS NULL THEN 0 WHEN b.amount > c.amount THEN c.amount ELSE b.amount END AS refunded,
           coalesce(b.amount >= c.amount, false) AS undone
    FROM minutes m
    JOIN conversions c ON c.campaign = m.campaign AND c.influencer = m.influencer
         AND date_bin('1 minute', c.event_time, 'epoch') = m.start
    JOIN commission_rules r ON r.terms = m.terms AND r.basis = 3 AND r.conversion = c.kind
    LEFT JOIN (
        SELECT v.id, sum(coalesce(e.amount, v.amount)) AS amount
        FROM (SELECT conversion_id, currency, amount FROM reversals WHERE kind = 1
              UNION ALL
              SELECT conversion_id, currency, coalesce(amount, opened) FROM (
                  SELECT DISTINCT ON (conversion_id, dispute_id) conversion_id, kind, amount,
                         max(currency) OVER (PARTITION BY conversion_id, dispute_id) AS currency,
                         (SELECT o.amount FROM reversals o WHERE (o.conversion_id, o.dispute_id) = (d.conversion_id, d.dispute_id)
                              AND o.kind = 2 ORDER BY o.event_time DESC, o.id DESC LIMIT 1) AS opened
                  FROM reversals d WHERE kind <> 1
                  ORDER BY conversion_id, dispute_id, kind = 2, event_time DESC, id DESC) latest WHERE kind = 4
             ) e
        JOIN conversions v ON v.id = e.conversion_id AND coalesce(e.currency, v.currency) = v.currency
        GROUP BY v.id) b ON b.id = c.id
    WHERE (r.percent IS NULL OR r.currency IS NULL OR r.currency = c.currency)
      AND (r.minimum IS NULL OR r.currency = c.currency AND c.amount >= r.minimum))"
        )
    };
}

/// What goes back of a conversion's commission, where conversions are rounded one by one.
macro_rules! reversed {
    () => {
        concat!(
            "(CASE WHEN undone THEN earned WHEN amount = 0 THEN 0 ELSE ",
            rounded!("earned * refunded / amount"),
            " END)"
        )
    };
}

/// What a conversion adds to the quantity that tiers and caps look at.
macro_rules! left {
    () => {
        concat!(
            "(CASE WHEN tier_since = '{}' THEN earned - ",
            reversed!(),
            " WHEN percent IS NOT NULL THEN amount - refunded WHEN undone THEN 0 ELSE 1 END)"
        )
    };
}

/// The kept spans are those that follow from states, dates and memberships.
const SPANS: Check = Check {
    name: "campaigns: spans without earning",
    pairs: "
SELECT e.n IS NOT DISTINCT FROM f.n AS same, campaign, influencer, since || ' to ' || until AS place,
       e.n || ' times' AS expected, f.n || ' times' AS found
FROM (SELECT campaign, coalesce(influencer, -1) AS influencer, since, until, count(*) AS n FROM not_earning_spans
      GROUP BY 1, 2, 3, 4) e
FULL JOIN (SELECT campaign, coalesce(influencer, -1) AS influencer, since, until, count(*) AS n FROM not_earning
           GROUP BY 1, 2, 3, 4) f USING (campaign, influencer, since, until)",
};

/// Conversions that are rounded one by one. Of those that earn nothing there may be no row, and of a row that no rule is
/// for any more the last rule stays.
const CONVERSIONS: Check = Check {
    name: "commissions of conversions",
    pairs: concat!(
        "
WITH ",
        waiting!(),
        ", ",
        minutes!(),
        ", ",
        sales!(),
        ",
expected AS (
    SELECT campaign, influencer, id, currency, earned, ",
        reversed!(),
        " AS reversed, terms, rule, amount, refunded, event_time
    FROM sales WHERE tier_since = '{}'
), found AS (
    SELECT campaign, influencer, conversion AS id, currency, earned, reversed, terms, rule, quantity, refunded, start
    FROM commissions WHERE conversion IS NOT NULL
)
SELECT coalesce(e.earned, 0) = coalesce(f.earned, 0) AND coalesce(e.reversed, 0) = coalesce(f.reversed, 0)
           AND (f.earned IS NULL OR coalesce(e.refunded, 0) = f.refunded)
           AND (e.earned IS NULL OR f.earned IS NULL
                OR (e.terms, e.rule, e.amount, e.event_time) = (f.terms, f.rule, f.quantity, f.start)) AS same,
       campaign, influencer, 'conversion ' || id || ' ' || currency AS place,
       format('%s earned, %s reversed, %s of %s refunded, rule %s/%s, %s', coalesce(e.earned, 0), coalesce(e.reversed, 0),
              coalesce(e.refunded, 0), e.amount, e.terms, e.rule, e.event_time) AS expected,
       format('%s earned, %s reversed, %s of %s refunded, rule %s/%s, %s', coalesce(f.earned, 0), coalesce(f.reversed, 0),
              coalesce(f.refunded, 0), f.quantity, f.terms, f.rule, f.start) AS found
FROM expected e FULL JOIN found f USING (campaign, influencer, id, currency)
LEFT JOIN waiting USING (campaign, influencer) WHERE waits IS NULL"
    ),
};

/// Rules over periods: what they have counted, through their tiers, no more than their cap.
const PERIODS: Check = Check {
    name: "commissions of rules",
    pairs: concat!(
        "
WITH ", waiting!(), ", ", minutes!(), ", ", sales!(), ",
counted AS (
    SELECT m.campaign, m.influencer, m.start AS at, r.terms, r.rule, r.currency, r.cap, r.period, r.retroactive, r.tier_since,
           r.tier_rates, r.amount AS rate, CASE r.basis WHEN 1 THEN m.impressions ELSE m.clicks END AS quantity,
           CASE r.basis WHEN 1 THEN 1000 ELSE 1 END AS per, false AS of_cap
    FROM minutes m JOIN facts f ON m.start < f.closed_through
    JOIN commission_rules r ON r.terms = m.terms AND r.basis IN (1, 2)
    UNION ALL
    SELECT campaign, influencer, event_time, terms, rule, currency, cap, period, retroactive, tier_since, tier_rates,
           coalesce(flat, percent),
           ", left!(), ",
           CASE WHEN percent IS NULL THEN 1 ELSE 100 END, tier_since = '{}'
    FROM sales WHERE tier_since <> '{}' OR cap IS NOT NULL
), totals AS (
    SELECT campaign, influencer, terms, rule, currency, cap, retroactive, tier_since, tier_rates, rate, per, of_cap,
           CASE period WHEN 'd' THEN date_trunc('day', at, 'UTC') WHEN 'm' THEN date_trunc('month', at, 'UTC')
                       ELSE 'epoch' END AS start, sum(quantity) AS quantity
    FROM counted GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
), rated AS (
    SELECT t.*, CASE WHEN of_cap THEN quantity ELSE (
        SELECT CASE WHEN retroactive THEN quantity * (array_agg(b.rate ORDER BY b.since DESC) FILTER (WHERE b.since <= quantity))[1]
                    ELSE sum(b.rate * greatest(least(quantity, b.until) - b.since, 0)) END
        FROM (SELECT s.since, s.rate, coalesce(lead(s.since) OVER (ORDER BY s.since), 'infinity') AS until
              FROM unnest(ARRAY[0::numeric] || tier_since, ARRAY[t.rate] || tier_rates) AS s(since, rate)) b) / per END AS worth
    FROM totals t
), expected AS (
    SELECT campaign, influencer, start, terms, rule, currency, quantity,
           CASE WHEN of_cap THEN least(worth, cap) - worth ELSE ", rounded!("least(worth, cap)"), " END AS earned
    FROM rated
), found AS (
    SELECT campaign, influencer, start, terms, rule, currency, quantity, earned FROM commissions WHERE conversion IS NULL
)
SELECT coalesce(e.earned, 0) = coalesce(f.earned, 0) AND coalesce(e.quantity, 0) = coalesce(f.quantity, 0) AS same,
       campaign, influencer, format('rule %s/%s of %s in %s', terms, rule, start, currency) AS place,
       format('%s of %s', coalesce(e.earned, 0), coalesce(e.quantity, 0)) AS expected,
       format('%s of %s', coalesce(f.earned, 0), coalesce(f.quantity, 0)) AS found
FROM expected e FULL JOIN found f USING (campaign, influencer, start, terms, rule, currency)
LEFT JOIN waiting USING (campaign, influencer) WHERE waits IS NULL"
    ),
};

/// Exact commissions by the hour, before tiers, caps and reversals; and what tiers and caps look at.
const ACCRUALS: Check = Check {
    name: "accruals",
    pairs: concat!(
        "
WITH ",
        waiting!(),
        ", ",
        minutes!(),
        ", ",
        sales!(),
        ",
parts AS (
    SELECT m.campaign, m.influencer, m.start AS at, r.terms, r.rule, r.currency,
           CASE r.basis WHEN 1 THEN m.impressions ELSE m.clicks END AS quantity,
           CASE r.basis WHEN 1 THEN m.impressions * r.amount / 1000 ELSE m.clicks * r.amount END AS amount
    FROM minutes m JOIN facts f ON m.start < f.closed_through
    JOIN commission_rules r ON r.terms = m.terms AND r.basis IN (1, 2)
    UNION ALL
    SELECT campaign, influencer, event_time, terms, rule, currency, ",
        left!(),
        ", earned FROM sales
)
SELECT coalesce(e.amount, 0) = coalesce(f.amount, 0) AND coalesce(e.quantity, 0) = coalesce(f.quantity, 0) AS same,
       campaign, influencer, format('%s rule %s/%s %s', hour, terms, rule, currency) AS place,
       format('%s for %s', coalesce(e.amount, 0), coalesce(e.quantity, 0)) AS expected,
       format('%s for %s', coalesce(f.amount, 0), coalesce(f.quantity, 0)) AS found
FROM (SELECT campaign, influencer, date_bin('1 hour', at, 'epoch') AS hour, terms, rule, currency,
             sum(quantity) AS quantity, sum(amount) AS amount FROM parts GROUP BY 1, 2, 3, 4, 5, 6) e
FULL JOIN accruals f USING (campaign, influencer, hour, terms, rule, currency)
LEFT JOIN waiting USING (campaign, influencer) WHERE waits IS NULL"
    ),
};

/// Hours of campaigns are the sums of their accruals.
const ACCRUAL_HOURS: Check = Check {
    name: "accruals: hours",
    pairs: "
SELECT coalesce(a.amount, 0) = coalesce(h.amount, 0) AS same, campaign, NULL::int AS influencer,
       hour || ' ' || currency AS place, coalesce(a.amount, 0)::text AS expected, coalesce(h.amount, 0)::text AS found
FROM accrual_hours h
FULL JOIN (SELECT campaign, hour, currency, sum(amount) AS amount FROM accruals GROUP BY 1, 2, 3) a
    USING (campaign, hour, currency)",
};

/// What every commission has earned and given back is what was posted for it.
const SUMS: Check = Check {
    name: "ledger: commissions",
    pairs: "
SELECT coalesce(c.earned, 0) = coalesce(p.earned, 0) AND coalesce(c.reversed, 0) = coalesce(p.reversed, 0)
           AND (c.commission IS NOT NULL) AND (p.commission IS NULL OR p.keys = 1 AND p.campaign = c.campaign
                AND p.influencer = c.influencer AND p.currency = c.currency
                AND p.conversion IS NOT DISTINCT FROM c.conversion) AS same,
       coalesce(c.campaign, p.campaign) AS campaign, coalesce(c.influencer, p.influencer) AS influencer,
       'commission ' || coalesce(c.commission, p.commission) AS place,
       format('%s earned, %s reversed', coalesce(p.earned, 0), coalesce(p.reversed, 0)) AS expected,
       format('%s earned, %s reversed', c.earned, c.reversed) AS found
FROM commissions c
FULL JOIN (SELECT commission, min(campaign) AS campaign, min(influencer) AS influencer, min(currency) AS currency,
                  min(conversion) AS conversion, count(DISTINCT (campaign, influencer, currency, conversion)) AS keys,
                  sum(CASE credit WHEN 'p' THEN amount ELSE -amount END) FILTER (WHERE concept = 'c') AS earned,
                  sum(CASE debit WHEN 'p' THEN amount ELSE -amount END) FILTER (WHERE concept = 'r') AS reversed
           FROM postings GROUP BY commission) p USING (commission)",
};

/// Every posting takes its commission from where the posting before it left it, by what it says; a reversal names the
/// commission's first posting.
const STEPS: Check = Check {
    name: "ledger: steps",
    pairs: concat!(
        "
SELECT total_before = coalesce(before, 0) AND amount = abs(total_after - total_before)
           AND ((debit, credit) = ('g', 'p')) = ((total_after > total_before) = (concept = 'c'))
           AND total_after = ",
        rounded!("exact_after"),
        " AND reverses IS NOT DISTINCT FROM CASE concept WHEN 'r' THEN first END AS same,
       campaign, influencer, 'posting ' || posting AS place,
       format('%s to %s', coalesce(before, 0), exact_after) || CASE concept WHEN 'r' THEN ', reverses ' || first ELSE '' END
           AS expected,
       format('%s to %s, %s from %s to %s', total_before, total_after, amount, debit, credit)
           || coalesce(', reverses ' || reverses, '') AS found
FROM (SELECT *, lag(total_after) OVER (PARTITION BY commission, concept ORDER BY posting) AS before,
             min(posting) OVER (PARTITION BY commission) AS first FROM postings) p"
    ),
};

/// Balances are sums of the postings.
const BALANCES: Check = Check {
    name: "ledger: balances",
    pairs: "
SELECT coalesce(b.earned, 0) = coalesce(p.earned, 0) AND coalesce(b.reversed, 0) = coalesce(p.reversed, 0) AS same,
       campaign, influencer, currency AS place,
       format('%s earned, %s reversed', coalesce(p.earned, 0), coalesce(p.reversed, 0)) AS expected,
       format('%s earned, %s reversed', b.earned, b.reversed) AS found
FROM balances b
FULL JOIN (SELECT campaign, influencer, currency,
                  coalesce(sum(CASE credit WHEN 'p' THEN amount ELSE -amount END) FILTER (WHERE concept = 'c'), 0) AS earned,
                  coalesce(sum(CASE debit WHEN 'p' THEN amount ELSE -amount END) FILTER (WHERE concept = 'r'), 0) AS reversed
           FROM postings GROUP BY 1, 2, 3) p USING (campaign, influencer, currency)",
};

/// What every posting says is owed after it is the sum of all until then.
const RUNNING_BALANCES: Check = Check {
    name: "ledger: running balances",
    pairs: "
SELECT balance = owed AS same, campaign, influencer, 'posting ' || posting || ' ' || currency AS place,
       owed::text AS expected, balance::text AS found
FROM (SELECT *, sum(CASE credit WHEN 'p' THEN amount ELSE -amount END)
                    OVER (PARTITION BY influencer, currency ORDER BY posting) AS owed FROM postings) p",
};

/// What is held of a balance is the sum of the postings that are held.
const HELD: Check = Check {
    name: "ledger: held",
    pairs: "
SELECT coalesce(h.held, 0) = b.held AS same, campaign, influencer, currency AS place,
       coalesce(h.held, 0)::text AS expected, b.held::text AS found
FROM balances b
LEFT JOIN (SELECT p.campaign, p.influencer, p.currency,
                  sum(CASE credit WHEN 'p' THEN amount ELSE -amount END) AS held
           FROM (SELECT DISTINCT posting FROM held_postings) h JOIN postings p USING (posting) GROUP BY 1, 2, 3) h USING (campaign, influencer, currency)",
};

/// Every posting was announced once, under the key of its influencer in its campaign.
const ANNOUNCED: Check = Check {
    name: "ledger: announced",
    pairs: "
SELECT coalesce(p.n, 0) = coalesce(o.n, 0) AS same, NULL::int AS campaign, NULL::int AS influencer, key AS place,
       coalesce(p.n, 0) || ' postings' AS expected, coalesce(o.n, 0) || ' events' AS found
FROM (SELECT c.name || '/' || i.name AS key, count(*) AS n FROM postings p
      JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer) GROUP BY 1) p
FULL JOIN (SELECT key, count(*) AS n FROM outbox WHERE topic = 'comision-calculada' GROUP BY 1) o USING (key)",
};

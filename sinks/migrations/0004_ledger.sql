-- From what was counted to what is owed: rules with tiers and caps, the spans in which nothing is earned, reversals, and
-- the ledger.

-- Rules get a number within their terms, since there may be one for each currency. A percentage with a currency is for
-- conversions in that currency alone; tiers, caps and minima of percentages are in it.
ALTER TABLE commission_rules
    DROP CONSTRAINT commission_rules_pkey,
    DROP CONSTRAINT commission_rules_check,
    ADD COLUMN rule smallint,
    ADD COLUMN minimum numeric CHECK (minimum >= 0),          -- CPA: conversions below it, or in another currency, earn nothing
    ADD COLUMN cap numeric CHECK (cap >= 0),                  -- the most that one period brings
    ADD COLUMN period "char" NOT NULL DEFAULT 't' CHECK (period IN ('d', 'm', 't')),  -- day, month (UTC), all time
    ADD COLUMN retroactive boolean NOT NULL DEFAULT false,    -- the rate of the tier reached holds for all of the period
    ADD COLUMN tier_since numeric[] NOT NULL DEFAULT '{}',    -- ascending; in impressions, clicks, conversions, or money
    ADD COLUMN tier_rates numeric[] NOT NULL DEFAULT '{}';    -- as amount or percent, from there on
UPDATE commission_rules r SET rule = n.rule
FROM (SELECT terms, basis, conversion, row_number() OVER (PARTITION BY terms ORDER BY basis, conversion) AS rule
      FROM commission_rules) n
WHERE (n.terms, n.basis, n.conversion) = (r.terms, r.basis, r.conversion);
ALTER TABLE commission_rules
    ADD PRIMARY KEY (terms, rule),
    ADD UNIQUE NULLS NOT DISTINCT (terms, basis, conversion, currency),
    ADD CHECK ((amount IS NULL) <> (percent IS NULL)),
    ADD CHECK (currency IS NOT NULL OR amount IS NULL AND minimum IS NULL AND cap IS NULL AND tier_since = '{}'),
    ADD CHECK (cardinality(tier_since) = cardinality(tier_rates));

-- A campaign earns only between these, whole minutes both; null: no bound.
ALTER TABLE campaigns
    ADD COLUMN starts_at timestamptz,
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN budget_policy text NOT NULL DEFAULT 'alertar' CHECK (budget_policy IN ('alertar', 'detener'));

-- What a campaign was told to be, from when on (whole minutes). Of two changes from one time, the later one holds.
CREATE TABLE campaign_states (
    campaign   integer     NOT NULL,
    change     integer     GENERATED ALWAYS AS IDENTITY,
    valid_from timestamptz NOT NULL CHECK (valid_from = date_trunc('minute', valid_from, 'UTC')),
    state      text        NOT NULL CHECK (state IN ('ACTIVA', 'PAUSADA', 'FINALIZADA')),
    changed_at timestamptz NOT NULL,
    reason     text,
    PRIMARY KEY (campaign, change)
);

-- Who was added to a campaign or removed from it, from when on. Whoever was not removed earns.
CREATE TABLE memberships (
    campaign   integer     NOT NULL,
    influencer integer     NOT NULL,
    change     integer     GENERATED ALWAYS AS IDENTITY,
    valid_from timestamptz NOT NULL CHECK (valid_from = date_trunc('minute', valid_from, 'UTC')),
    member     boolean     NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (campaign, influencer, change)
);

-- Spans of event time in which events count but earn nothing; influencer null: everybody's.
CREATE VIEW not_earning_spans AS
SELECT campaign, NULL::integer AS influencer, valid_from AS since, until
FROM (SELECT *, coalesce(lead(valid_from) OVER (PARTITION BY campaign ORDER BY valid_from, change), 'infinity') AS until
      FROM campaign_states) s
WHERE state <> 'ACTIVA' AND valid_from < until
UNION ALL
SELECT campaign, influencer, valid_from, until
FROM (SELECT *, coalesce(lead(valid_from) OVER (PARTITION BY campaign, influencer ORDER BY valid_from, change), 'infinity')
              AS until
      FROM memberships) m
WHERE NOT member AND valid_from < until
UNION ALL
SELECT campaign, NULL, '-infinity', starts_at FROM campaigns WHERE starts_at IS NOT NULL
UNION ALL
SELECT campaign, NULL, ends_at, 'infinity' FROM campaigns WHERE ends_at IS NOT NULL;

-- The same, kept: every window that is settled looks here. Whoever changes what it comes from, changes it.
CREATE TABLE not_earning (
    campaign   integer     NOT NULL,
    influencer integer,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL
);
CREATE INDEX not_earning_campaign ON not_earning (campaign);

-- Refunds and disputes, as they came; they may come before their conversion.
CREATE TABLE reversals (
    tenant        smallint    NOT NULL,
    id            text        NOT NULL,
    conversion_id text        NOT NULL,
    kind          smallint    NOT NULL CHECK (kind IN (1, 2, 3, 4)),  -- refund; dispute opened, won, lost
    dispute_id    text,
    amount        numeric     CHECK (amount >= 0),  -- null: all of the conversion
    currency      text,                             -- as sent; one that is not the conversion's reverses nothing
    reason        text,
    event_time    timestamptz NOT NULL,
    published_at  timestamptz NOT NULL,
    line          integer     NOT NULL,
    ledger        bigint      NOT NULL,
    entry         bigint      NOT NULL,
    index         integer     NOT NULL,
    PRIMARY KEY (tenant, id),
    CHECK ((kind = 1) = (dispute_id IS NULL))
);
CREATE INDEX reversals_conversion ON reversals (conversion_id);
CREATE INDEX reversals_disputes ON reversals (conversion_id) WHERE kind <> 1;
-- How many of a line's accepted commands they are: no event is made of them, so the relay does not wait for one.
ALTER TABLE lines ADD COLUMN reversals bigint NOT NULL DEFAULT 0;

-- What reverses a conversion: refunds, and disputes that were lost. A dispute is what its latest verdict says, by event
-- time; without one it is open. Where the verdict names no amount, the opening does; where neither does, it is all.
CREATE VIEW effective_reversals AS
SELECT conversion_id, id, amount, currency, false AS open FROM reversals WHERE kind = 1
UNION ALL
SELECT conversion_id, dispute_id, coalesce(verdict_amount, opened_amount), currency, verdict IS NULL
FROM (SELECT conversion_id, dispute_id, max(currency) AS currency,
             (array_agg(kind ORDER BY event_time DESC, id DESC) FILTER (WHERE kind IN (3, 4)))[1] AS verdict,
             (array_agg(amount ORDER BY event_time DESC, id DESC) FILTER (WHERE kind IN (3, 4)))[1] AS verdict_amount,
             (array_agg(amount ORDER BY event_time DESC, id DESC) FILTER (WHERE kind = 2))[1] AS opened_amount
      FROM reversals WHERE kind <> 1 GROUP BY conversion_id, dispute_id) d
WHERE verdict IS DISTINCT FROM 3;

-- Marks: hours of event time in which something has changed that money depends on. Whoever changes it leaves a mark in the
-- same transaction; the posting line takes marks away and settles what they name. Never unique and never updated, so
-- that leaving one waits for nobody.
CREATE TABLE unsettled (
    campaign   integer     NOT NULL,
    influencer integer     NOT NULL,
    hour       timestamptz NOT NULL,
    cause      "char"      NOT NULL  -- see schemas/src/commission.rs: Cause
);
CREATE INDEX unsettled_key ON unsettled (campaign, influencer, hour);
-- What was counted before there was a ledger is to be settled, too.
INSERT INTO unsettled (campaign, influencer, hour, cause)
SELECT DISTINCT campaign, influencer, date_trunc('hour', start, 'UTC'), 'w'::"char" FROM windows WHERE influencer > 0;
-- The same by conversion, for whoever does not know whose it was (or whether it has come).
CREATE TABLE unsettled_conversions (
    conversion uuid NOT NULL  -- schemas/src/ids.rs: ClaimKey
);

-- What each hour has brought under each rule, as of its last settlement: exact, before tiers, caps and reversals.
CREATE TABLE accruals (
    campaign   integer     NOT NULL,
    influencer integer     NOT NULL,
    hour       timestamptz NOT NULL,
    terms      integer     NOT NULL,
    rule       smallint    NOT NULL,
    currency   text        NOT NULL,
    quantity   numeric     NOT NULL,  -- what tiers and caps look at; see operators/src/commission.rs
    amount     numeric     NOT NULL,  -- at the rule's first rate
    PRIMARY KEY (campaign, influencer, hour, terms, rule, currency)
) WITH (fillfactor = 80);

-- What is rounded once: a conversion, or a rule in one of its periods. earned and reversed are what the ledger's postings
-- of this commission sum up to.
CREATE TABLE commissions (
    commission bigint      PRIMARY KEY,       -- from ledger_head
    campaign   integer     NOT NULL,
    influencer integer     NOT NULL,
    start      timestamptz NOT NULL,          -- of the conversion, or of the period (1970 for all time)
    conversion text,                          -- its id; null: a rule in a period
    terms      integer     NOT NULL,          -- by which it was settled last
    rule       smallint    NOT NULL,
    currency   text        NOT NULL,
    quantity   numeric     NOT NULL,          -- of the period; of a conversion its amount
    earned     numeric     NOT NULL,
    refunded   numeric     NOT NULL DEFAULT 0,  -- of the conversion's amount, at most that
    reversed   numeric     NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX commissions_of_rule ON commissions (campaign, influencer, start, terms, rule, currency)
    WHERE conversion IS NULL;
CREATE UNIQUE INDEX commissions_of_conversion ON commissions (campaign, influencer, start, conversion, currency)
    WHERE conversion IS NOT NULL;
CREATE INDEX commissions_conversion ON commissions (conversion) WHERE conversion IS NOT NULL;

-- The ledger: one row a posting, numbered without gaps in the order of commits, each hashed with the one before it.
CREATE TABLE postings (
    posting     bigint      PRIMARY KEY,
    posted_at   timestamptz NOT NULL,         -- never before the posting before it
    debit       "char"      NOT NULL CHECK (debit IN ('g', 'p')),   -- g: what the campaign has spent (gasto)
    credit      "char"      NOT NULL CHECK (credit IN ('g', 'p')),  -- p: what is owed to the influencer (por pagar)
    campaign    integer     NOT NULL,
    influencer  integer     NOT NULL,
    currency    text        NOT NULL,
    amount      numeric     NOT NULL CHECK (amount > 0),
    concept     "char"      NOT NULL CHECK (concept IN ('c', 'r')),           -- commission, reversal
    cause       "char"      NOT NULL CHECK (cause IN ('c', 'w', 't', 'r')),   -- conversion, windows, terms, reversal
    commission  bigint      NOT NULL,
    terms       integer     NOT NULL,
    rule        smallint    NOT NULL,
    conversion  text,
    event_from  timestamptz NOT NULL,         -- the event time that it is about
    event_to    timestamptz NOT NULL,
    quantity_before numeric NOT NULL,         -- the inputs: what the commission was computed of, before and now
    quantity_after  numeric NOT NULL,
    exact_after     numeric NOT NULL,         -- what the rule makes of it, before rounding
    total_before    numeric NOT NULL,         -- what was posted for it before
    total_after     numeric NOT NULL,         -- rounded: amount is the difference
    reverses    bigint,                       -- the posting that this takes back (a part of)
    balance     numeric     NOT NULL,         -- what is owed to the influencer in this currency, after it
    hash        bytea       NOT NULL,         -- see sinks/src/ledger/hash.rs
    CHECK (debit <> credit)
);
CREATE INDEX postings_influencer ON postings (influencer, posting);
CREATE INDEX postings_campaign ON postings (campaign, posting);
CREATE INDEX postings_commission ON postings (commission, posting);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: correct a posting by another one' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON postings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The end of the ledger; whoever posts holds it. One row.
CREATE TABLE ledger_head (
    one        boolean     PRIMARY KEY DEFAULT true CHECK (one),
    posting    bigint      NOT NULL DEFAULT 0,        -- the last one
    commission bigint      NOT NULL DEFAULT 0,
    posted_at  timestamptz NOT NULL DEFAULT 'epoch',
    hash       bytea       NOT NULL DEFAULT ''
);
INSERT INTO ledger_head DEFAULT VALUES;

-- Signed lines: every posting twice, once for each of its accounts.
CREATE VIEW ledger_lines AS
SELECT posting, posted_at, a.account, campaign, influencer, currency, a.amount
FROM postings CROSS JOIN LATERAL (VALUES (debit, -amount), (credit, amount)) AS a(account, amount);

-- Sums of the postings, moved with them.
CREATE TABLE balances (
    campaign   integer NOT NULL,
    influencer integer NOT NULL,
    currency   text    NOT NULL,
    earned     numeric NOT NULL,               -- commissions
    reversed   numeric NOT NULL,               -- reversals
    held       numeric NOT NULL DEFAULT 0,     -- of earned - reversed, what is not approved (see held_postings)
    paid       numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, influencer, currency)
) WITH (fillfactor = 80);
CREATE INDEX balances_influencer ON balances (influencer);

-- Postings that are not approved for payment: the budget has run out, or their conversion is disputed. All others are.
CREATE TABLE held_postings (
    posting    bigint      NOT NULL REFERENCES postings,
    reason     "char"      NOT NULL CHECK (reason IN ('b', 'd')),  -- budget, dispute
    campaign   integer     NOT NULL,
    event_time timestamptz NOT NULL,
    PRIMARY KEY (posting, reason)
);
CREATE INDEX held_postings_campaign ON held_postings (campaign, reason, event_time);

DROP VIEW window_commissions;

-- Conversions under the rule that is for them, at event time; none where nothing is earned.
CREATE VIEW rated_conversions AS
SELECT c.campaign, c.influencer, c.event_time, c.day, c.id, c.amount, c.currency, t.terms, r.rule,
       coalesce(r.currency, c.currency) AS commission_currency, r.tier_since <> '{}' AS tiered,
       coalesce(r.amount, round_half_even(c.amount * r.percent * 0.01, 2)) AS commission
FROM conversions c
JOIN terms_in_force t ON t.campaign = c.campaign AND c.event_time >= t.valid_from AND c.event_time < t.valid_until
JOIN commission_rules r ON r.terms = t.terms AND r.basis = 3 AND r.conversion = c.kind
     AND (r.currency IS NULL OR r.amount IS NOT NULL OR r.currency = c.currency)
     AND (r.minimum IS NULL OR r.currency = c.currency AND c.amount >= r.minimum)
WHERE c.influencer > 0 AND (t.influencer = c.influencer OR t.influencer IS NULL AND NOT EXISTS (
    SELECT FROM terms o WHERE o.campaign = c.campaign AND o.influencer = c.influencer AND o.valid_from <= c.event_time))
  AND NOT EXISTS (SELECT FROM not_earning n WHERE n.campaign = c.campaign
                      AND (n.influencer IS NULL OR n.influencer = c.influencer)
                      AND c.event_time >= n.since AND c.event_time < n.until);

-- Windows likewise, by the rules for impressions and clicks.
CREATE VIEW rated_windows AS
SELECT w.campaign, w.influencer, w.start, t.terms, r.rule, r.currency,
       CASE r.basis WHEN 1 THEN w.impressions ELSE w.clicks END AS quantity,
       CASE r.basis WHEN 1 THEN w.impressions * r.amount * 0.001 ELSE w.clicks * r.amount END AS commission
FROM windows w
JOIN terms_in_force t ON t.campaign = w.campaign AND w.start >= t.valid_from AND w.start < t.valid_until
JOIN commission_rules r ON r.terms = t.terms AND r.basis IN (1, 2)
     AND CASE r.basis WHEN 1 THEN w.impressions ELSE w.clicks END > 0
WHERE w.influencer > 0 AND (t.influencer = w.influencer OR t.influencer IS NULL AND NOT EXISTS (
    SELECT FROM terms o WHERE o.campaign = w.campaign AND o.influencer = w.influencer AND o.valid_from <= w.start))
  AND NOT EXISTS (SELECT FROM not_earning n WHERE n.campaign = w.campaign
                      AND (n.influencer IS NULL OR n.influencer = w.influencer)
                      AND w.start >= n.since AND w.start < n.until);

-- What every window has earned, exactly, open or closed: a function of what was counted and of the terms in force at
-- event time, before tiers, caps and reversals, which look at more than one window. So terms may come before or after the
-- events, and back-dated terms change the past by themselves. CPM and CPC are not rounded here; a CPA commission is, per
-- conversion, to 2 decimals as all currencies have. Nobody (0) earns nothing.
CREATE VIEW window_commissions AS
SELECT campaign, influencer, start, terms, rule, currency, commission FROM rated_windows
UNION ALL
SELECT campaign, influencer, date_trunc('minute', event_time, 'UTC'), terms, rule, commission_currency, commission
FROM rated_conversions;

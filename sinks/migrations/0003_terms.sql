-- Commission terms, and what they make every window worth.

-- A version of a campaign's terms; never edited. Later ones take over from where they begin; of two that begin at the same
-- time, the one with the greater number.
CREATE TABLE terms (
    terms      integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     smallint    NOT NULL,
    id         text        NOT NULL,     -- of the command
    campaign   integer     NOT NULL,
    influencer integer,                  -- null: everybody who has no terms of their own at that time
    valid_from timestamptz NOT NULL CHECK (valid_from = date_trunc('minute', valid_from, 'UTC')),
    defined_at timestamptz NOT NULL,
    UNIQUE (tenant, id)
);
CREATE INDEX terms_campaign ON terms (campaign, influencer, valid_from);

-- What earns how much. Flat: amount and currency; else percent of a conversion's amount in its own currency.
CREATE TABLE commission_rules (
    terms      integer  NOT NULL REFERENCES terms,
    basis      smallint NOT NULL CHECK (basis IN (1, 2, 3)),  -- 1 CPM, 2 CPC, 3 CPA; see schemas/src/terms.rs
    conversion smallint NOT NULL,                             -- CPA: the kind; else 0
    amount     numeric  CHECK (amount >= 0),
    currency   text,
    percent    numeric  CHECK (percent BETWEEN 0 AND 100),
    PRIMARY KEY (terms, basis, conversion),
    CHECK ((amount IS NULL) = (currency IS NULL) AND (amount IS NULL) <> (percent IS NULL))
);

-- From when to when each version holds for those whom it is for; empty where another begins at the same time.
CREATE VIEW terms_in_force AS
SELECT *, coalesce(lead(valid_from) OVER (PARTITION BY campaign, influencer ORDER BY valid_from, terms), 'infinity')
          AS valid_until
FROM terms;

-- Half to even, as every rounding of money here; PostgreSQL's own round() rounds a half away from zero.
CREATE FUNCTION round_half_even(value numeric, decimals integer) RETURNS numeric IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE
    WHEN (value - trunc(value, decimals)) * 10::numeric ^ decimals = 0.5
        AND trunc(value, decimals) * 10::numeric ^ decimals % 2 = 0
    THEN trunc(value, decimals)
    ELSE round(value, decimals)
END;

-- What every window has earned, exactly, open or closed: a function of what was counted and of the terms in force at
-- event time. So terms may come before or after the events, and back-dated terms change the past by themselves. CPM and
-- CPC are not rounded here; a CPA commission is, per conversion, to 2 decimals as all currencies have. Nobody (0) earns
-- nothing.
CREATE VIEW window_commissions AS
SELECT w.campaign, w.influencer, w.start, t.terms, r.basis, r.currency,
       CASE r.basis WHEN 1 THEN w.impressions * r.amount * 0.001 ELSE w.clicks * r.amount END AS commission
FROM windows w
JOIN terms_in_force t ON t.campaign = w.campaign AND w.start >= t.valid_from AND w.start < t.valid_until
JOIN commission_rules r ON r.terms = t.terms AND r.basis IN (1, 2)
WHERE w.influencer > 0 AND (t.influencer = w.influencer OR t.influencer IS NULL AND NOT EXISTS (
    SELECT FROM terms o WHERE o.campaign = w.campaign AND o.influencer = w.influencer AND o.valid_from <= w.start))
UNION ALL
SELECT c.campaign, c.influencer, date_trunc('minute', c.event_time, 'UTC'), t.terms, r.basis,
       coalesce(r.currency, c.currency), coalesce(r.amount, round_half_even(c.amount * r.percent * 0.01, 2))
FROM conversions c
JOIN terms_in_force t ON t.campaign = c.campaign AND c.event_time >= t.valid_from AND c.event_time < t.valid_until
JOIN commission_rules r ON r.terms = t.terms AND r.basis = 3 AND r.conversion = c.kind
WHERE c.influencer > 0 AND (t.influencer = c.influencer OR t.influencer IS NULL AND NOT EXISTS (
    SELECT FROM terms o WHERE o.campaign = c.campaign AND o.influencer = c.influencer AND o.valid_from <= c.event_time));

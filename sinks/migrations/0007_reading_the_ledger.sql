-- What questions to the ledger look up.

-- What was owed to an influencer in a currency at any time is on the last posting until then: one look per currency,
-- however many postings others have between.
CREATE INDEX postings_owed ON postings (influencer, currency, posting);

-- The first posting that was posted at `since` or later; the one after the last where there is none. Postings are numbered
-- without gaps and never before the one before, so halving finds it, and the ledger needs no index by time.
CREATE FUNCTION first_posting_since(since timestamptz) RETURNS bigint STABLE STRICT LANGUAGE sql AS $$
WITH RECURSIVE search (low, high) AS (
    SELECT 1::bigint, posting + 1 FROM ledger_head
    UNION ALL
    SELECT CASE WHEN p.posted_at < since THEN s.middle + 1 ELSE s.low END,
           CASE WHEN p.posted_at < since THEN s.high ELSE s.middle END
    FROM (SELECT low, high, (low + high) / 2 AS middle FROM search WHERE low < high) s
    JOIN postings p ON p.posting = s.middle
)
SELECT low FROM search WHERE low = high
$$;

-- Series of a campaign's commissions read hours of all its influencers.
CREATE INDEX accruals_hour ON accruals (campaign, hour);

-- What one influencer was posted in one campaign, where both have thousands of others.
CREATE INDEX postings_pair ON postings (influencer, campaign, posting);

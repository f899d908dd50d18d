-- A ledger of :postings postings over 90 days, for timing what reads it: 5,000 influencers, the first of whom has a tenth of
-- all; 500 campaigns, two currencies; seven tenths conversions, two tenths a period's impressions, a tenth reversals.
BEGIN;
INSERT INTO campaign_names (tenant, name) SELECT 1, 'cmp-' || n FROM generate_series(1, 500) n;
INSERT INTO influencer_names (tenant, name) SELECT 1, 'inf-' || n FROM generate_series(1, 5000) n;
INSERT INTO campaigns (campaign, tenant, id, name, budget, currency, influencers, conversions, created_at)
    SELECT n, 1, 'cmp-' || n, 'Campaña ' || n, 1e9, 'COP', '{}', '[]', now() FROM generate_series(1, 500) n;
INSERT INTO terms (tenant, id, campaign, valid_from, defined_at)
    SELECT 1, 'terms-' || n, n, '2025-01-01', now() FROM generate_series(1, 500) n;
INSERT INTO commission_rules (terms, rule, basis, conversion, amount, currency, percent)
    SELECT n, r.* FROM generate_series(1, 500) n,
         (VALUES (1, 1, 0, 1000, 'COP', NULL), (2, 3, 1, NULL, NULL, 10)) r(rule, basis, conversion, amount, currency, percent);
INSERT INTO lines (flow, source, live, ledger, entry, index) VALUES ('tracking', 'bench', false, 0, 0, -1);

-- A reversal is of the conversion 50 postings before it, hence of the same influencer and campaign.
CREATE TEMP TABLE made AS
SELECT n, m, kind, CASE WHEN m % 10 = 0 THEN 1 ELSE 2 + abs(hashint4(m)::bigint) % 4999 END AS influencer,
       1 + abs(hashint4(m * 7)::bigint) % 500 AS campaign,
       CASE WHEN kind = 'impressions' OR m % 4 > 0 THEN 'COP' ELSE 'USD' END AS currency,
       md5(m::text)::uuid AS id, 1000 + m % 5000 AS amount,
       -- Fifty postings a transaction.
       timestamptz '2026-01-01' + interval '90 days' * (n / 50) / (:postings / 50) AS posted_at
FROM (SELECT n, CASE kind WHEN 'reversal' THEN n - 50 ELSE n END AS m, kind FROM (
          SELECT n, CASE WHEN (n / 10 + n) % 10 < 7 OR n <= 50 THEN 'conversion'
                         WHEN (n / 10 + n) % 10 < 9 THEN 'impressions' ELSE 'reversal' END AS kind
          FROM generate_series(1, :postings) n) k) m;

CREATE TEMP TABLE posted AS
SELECT *, timestamptz '2026-01-01' + interval '90 days' * (m / 50) / (:postings / 50) AS happened,
       sum(change) OVER (PARTITION BY influencer, currency ORDER BY n) AS balance FROM (
    SELECT *, CASE kind WHEN 'conversion' THEN amount * 0.1 WHEN 'reversal' THEN -amount * 0.05 ELSE 100 END AS change,
           CASE WHEN kind = 'impressions' THEN 2 * :postings + campaign::bigint * 10000 + influencer ELSE m END AS commission,
           CASE WHEN kind = 'impressions' THEN 100 * row_number() OVER (
                PARTITION BY kind, campaign, influencer ORDER BY n) END AS total
    FROM made) c;

INSERT INTO postings
SELECT n, posted_at, CASE WHEN change > 0 THEN 'g' ELSE 'p' END::"char", CASE WHEN change > 0 THEN 'p' ELSE 'g' END::"char",
       campaign, influencer, currency, abs(change), CASE kind WHEN 'reversal' THEN 'r' ELSE 'c' END::"char",
       CASE kind WHEN 'conversion' THEN 'c' WHEN 'impressions' THEN 'w' ELSE 'r' END::"char", commission, campaign,
       CASE kind WHEN 'impressions' THEN 1 ELSE 2 END, CASE WHEN kind <> 'impressions' THEN id::text END,
       -- Of a reversal the time of its conversion.
       CASE kind WHEN 'impressions' THEN date_trunc('hour', posted_at) ELSE happened END,
       CASE kind WHEN 'impressions' THEN date_trunc('hour', posted_at) + interval '1 hour' ELSE happened END,
       CASE kind WHEN 'impressions' THEN total - 100 ELSE 0 END,
       CASE kind WHEN 'conversion' THEN amount WHEN 'impressions' THEN total ELSE amount * 0.5 END,
       coalesce(total, abs(change)), coalesce(total - 100, 0), coalesce(total, abs(change)),
       CASE kind WHEN 'reversal' THEN m END, balance, '\x00'
FROM posted ORDER BY n;
INSERT INTO commissions
SELECT commission, campaign, influencer, min(posted_at), CASE WHEN min(kind) <> 'impressions' THEN min(id::text) END, campaign,
       CASE min(kind) WHEN 'impressions' THEN 1 ELSE 2 END, currency, coalesce(max(total), max(amount)),
       sum(change) FILTER (WHERE kind <> 'reversal'), coalesce(max(amount * 0.5) FILTER (WHERE kind = 'reversal'), 0),
       coalesce(-sum(change) FILTER (WHERE kind = 'reversal'), 0)
FROM posted GROUP BY commission, campaign, influencer, currency;
INSERT INTO balances
SELECT campaign, influencer, currency, coalesce(sum(change) FILTER (WHERE kind <> 'reversal'), 0),
       coalesce(-sum(change) FILTER (WHERE kind = 'reversal'), 0), 0, 0
FROM posted GROUP BY campaign, influencer, currency;
INSERT INTO conversions
    (campaign, influencer, event_time, day, kind, amount, currency, line, ledger, entry, index, published_at, id)
SELECT campaign, influencer, posted_at, current_date, 1, amount, currency, 1, 0, n, -1, posted_at, id::text
FROM posted WHERE kind = 'conversion' ORDER BY n;
INSERT INTO claims (tenant, kind, id, content, line, ledger, entry, index, day)
SELECT 1, 2, id, id, 1, 0, n, -1, current_date FROM posted WHERE kind = 'conversion';
INSERT INTO reversals
SELECT 1, 'rev-' || n, id::text, 1, NULL, amount * 0.5, currency, 'devuelto', posted_at, posted_at, 1, 0, n, -1
FROM posted WHERE kind = 'reversal';
INSERT INTO held_postings (posting, reason, campaign, event_time)
SELECT n, 'b', campaign, posted_at FROM posted WHERE campaign <= 10 AND n > :postings / 2;
UPDATE ledger_head SET posting = :postings, commission = 10 * :postings, posted_at = '2026-04-01';
COMMIT;
VACUUM ANALYZE;

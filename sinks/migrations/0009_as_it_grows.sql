-- What is read over and over must not grow with what was counted.

-- A campaign's totals lie in summands, so that lines do not wait for one another, and readers add them up. Each line has its
-- own, but files share one for each of their partitions: totals would grow with every file that ever came.
ALTER TABLE lines ADD COLUMN summand integer NOT NULL
    GENERATED ALWAYS AS (CASE WHEN source ~ '^file-.+-[0-9]+$' THEN -1 - substring(source, '[0-9]+$')::integer ELSE line END)
    STORED;
ALTER TABLE campaign_totals RENAME COLUMN line TO summand;
ALTER TABLE campaign_total_amounts RENAME COLUMN line TO summand;

WITH apart AS (
    DELETE FROM campaign_totals t USING lines l WHERE t.summand = l.line AND l.summand < 0 RETURNING t.*, l.summand AS shared
)
INSERT INTO campaign_totals (campaign, summand, impressions, clicks, conversions, updated_at)
SELECT campaign, shared, sum(impressions), sum(clicks), sum(conversions), max(updated_at) FROM apart GROUP BY 1, 2;
WITH apart AS (
    DELETE FROM campaign_total_amounts t USING lines l WHERE t.summand = l.line AND l.summand < 0
    RETURNING t.*, l.summand AS shared
)
INSERT INTO campaign_total_amounts (campaign, summand, currency, amount)
SELECT campaign, shared, currency, sum(amount) FROM apart GROUP BY 1, 2, 3;

-- As before, half to even, but a tie is looked for only where one can be: its digits end with the one behind `decimals`.
CREATE OR REPLACE FUNCTION round_half_even(value numeric, decimals integer) RETURNS numeric
IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE
    WHEN min_scale(value) = decimals + 1
        AND (value - trunc(value, decimals)) * 10::numeric ^ decimals IN (0.5, -0.5)
        AND trunc(value, decimals) * 10::numeric ^ decimals % 2 = 0
    THEN trunc(value, decimals)
    ELSE round(value, decimals)
END;

-- What each hour of a campaign has brought all its influencers: the sums of its accruals, moved with them. A series of
-- sixty hours reads sixty rows for each currency, instead of one for each influencer, rule and hour.
CREATE TABLE accrual_hours (
    campaign integer     NOT NULL,
    hour     timestamptz NOT NULL,
    currency text        NOT NULL,
    amount   numeric     NOT NULL,
    PRIMARY KEY (campaign, hour, currency)
) WITH (fillfactor = 80);
INSERT INTO accrual_hours (campaign, hour, currency, amount)
SELECT campaign, hour, currency, sum(amount) FROM accruals GROUP BY 1, 2, 3;

-- Nobody reads the accruals of all influencers any more.
DROP INDEX accruals_hour;

-- Campaigns change, and influencers are people.

-- What a campaign is now is what campaign_states say; a column beside them could only differ.
ALTER TABLE campaigns
    DROP COLUMN state,
    ADD CHECK (starts_at < ends_at),
    ADD CHECK (starts_at = date_trunc('minute', starts_at, 'UTC')),
    ADD CHECK (ends_at = date_trunc('minute', ends_at, 'UTC'));
CREATE INDEX campaigns_influencers ON campaigns USING gin (influencers);

-- Which command asked for a change.
ALTER TABLE campaign_states ADD COLUMN tenant smallint NOT NULL, ADD COLUMN id text NOT NULL;
ALTER TABLE memberships ADD COLUMN tenant smallint NOT NULL, ADD COLUMN id text NOT NULL;
CREATE INDEX memberships_influencer ON memberships (influencer);

-- What each campaign is now; since null: since it was created. Of two changes from one minute on, the later one holds.
CREATE VIEW current_states AS
SELECT c.campaign, coalesce(s.state, 'ACTIVA') AS state, s.valid_from AS since, s.reason
FROM campaigns c LEFT JOIN LATERAL (
    SELECT state, valid_from, reason FROM campaign_states WHERE campaign = c.campaign AND valid_from <= now()
    ORDER BY valid_from DESC, change DESC LIMIT 1
) s ON true;

-- Who edited what of a campaign when. The campaign itself is as the last edit left it.
CREATE TABLE campaign_edits (
    tenant    smallint    NOT NULL,
    id        text        NOT NULL,
    campaign  integer     NOT NULL,
    edited_at timestamptz NOT NULL,
    keys      text[]      NOT NULL,           -- as on the wire
    PRIMARY KEY (tenant, id)
);
CREATE INDEX campaign_edits_campaign ON campaign_edits (campaign, edited_at);

-- Influencers as they were last described. The only place with their personal data, which may be erased; nothing that is
-- counted or owed depends on it.
CREATE TABLE influencers (
    influencer    integer     PRIMARY KEY,
    tenant        smallint    NOT NULL,
    id            text        NOT NULL,
    name          text,
    email         text,
    identity_card text,
    registered_at timestamptz NOT NULL,       -- first
    updated_at    timestamptz NOT NULL,       -- last
    UNIQUE (tenant, id)
);
CREATE INDEX influencers_newest ON influencers (tenant, registered_at DESC, id DESC);

-- That somebody was described, and not how.
CREATE TABLE influencer_registrations (
    tenant        smallint    NOT NULL,
    id            text        NOT NULL,
    influencer    integer     NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Who belongs to a campaign: since (null: not known to have been added), until (null: not removed), removed by now. Whom
-- its creator named belongs to it from before everything else. Of changes that change nothing the first one counts.
CREATE FUNCTION members_of(of_campaign integer)
    RETURNS TABLE (name text, since timestamptz, until timestamptz, removed boolean) LANGUAGE sql STABLE AS $$
WITH changes AS (
    SELECT n.name, m.valid_from, m.member, m.change, m.valid_from AS shown
    FROM memberships m JOIN influencer_names n USING (influencer) WHERE m.campaign = of_campaign
    UNION ALL
    SELECT named, '-infinity', true, 0, created_at FROM campaigns, unnest(influencers) AS named
    WHERE campaign = of_campaign
), effective AS (
    SELECT DISTINCT ON (name, valid_from) * FROM changes ORDER BY name, valid_from, change DESC
), turns AS (
    SELECT *, lag(member) OVER (PARTITION BY name ORDER BY valid_from) IS DISTINCT FROM member AS turns FROM effective
)
SELECT name, (array_agg(shown ORDER BY valid_from DESC) FILTER (WHERE member))[1],
       CASE WHEN NOT (array_agg(member ORDER BY valid_from DESC))[1] THEN max(valid_from) END,
       coalesce(NOT (array_agg(member ORDER BY valid_from DESC) FILTER (WHERE valid_from <= now()))[1], false)
FROM turns WHERE turns GROUP BY name
$$;

-- The tables are the checkpoint: one epoch of one line is one transaction over them (see sinks/src/epoch.rs).
--
-- Every key begins with the tenant, or with a number that was given out within a tenant (names).

-- What epochs rely on. Epochs read it under the shared facts lock; changes hold the lock exclusively. One row.
CREATE TABLE facts (
    one            boolean     PRIMARY KEY DEFAULT true CHECK (one),
    generation     bigint      NOT NULL DEFAULT 0,
    closed_through timestamptz,  -- windows that end at or before it are closed
    dedup_horizon  timestamptz   -- older events are refused: their claims may be gone
);
INSERT INTO facts DEFAULT VALUES;

-- One row per line: a flow reading one partition of one source. The row is position, fence and tally at once.
CREATE TABLE lines (
    line        integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    flow        text        NOT NULL,                 -- tracking, campaigns
    source      text        NOT NULL,                 -- log-0, file-<digest>
    live        boolean     NOT NULL,                 -- counts for the global watermark (files do not)
    epoch       bigint      NOT NULL DEFAULT 0,       -- the fence: whoever takes the line counts it up
    ledger      bigint      NOT NULL DEFAULT -1,      -- the position reached; see schemas/src/position.rs
    entry       bigint      NOT NULL DEFAULT -1,
    index       integer     NOT NULL DEFAULT -1,
    watermark   timestamptz,                          -- event time reached, never moves back
    accepted    bigint      NOT NULL DEFAULT 0,       -- messages = accepted + duplicates + rejected, always
    duplicates  bigint      NOT NULL DEFAULT 0,
    rejected    bigint      NOT NULL DEFAULT 0,
    messages    bigint      NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (flow, source)
);

-- The log's partitions. Offsets come from `next` inside the append transaction, never from a sequence, so that the
-- order of commits is the order of offsets with any number of writers.
CREATE TABLE log_heads (
    partition integer PRIMARY KEY,
    flow      text    NOT NULL,
    next      bigint  NOT NULL DEFAULT 0
);
INSERT INTO log_heads (partition, flow) VALUES
    (0, 'tracking'), (1, 'tracking'), (2, 'tracking'), (3, 'tracking'), (4, 'campaigns');

-- The log: commands as they came, durable before they are answered. In daily segments, dropped whole, and only below
-- the position of every line that reads them.
CREATE TABLE log (
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    day          date        NOT NULL,
    published_at timestamptz NOT NULL,
    kind         smallint,             -- null: the payload's comando says
    assigned_id  uuid,                 -- given at the edge, for a payload without an id
    replay_of    bigint,               -- the reject that this message mends
    payload      bytea       NOT NULL
) PARTITION BY RANGE (day);
CREATE INDEX log_offsets ON log (partition, "offset");
ALTER TABLE log ALTER COLUMN payload SET COMPRESSION lz4;

-- Chunks of batches that came with an idempotency key: a chunk that is sent again is not appended again, so that its
-- faulty lines are not counted twice.
CREATE TABLE log_chunks (
    tenant     smallint    NOT NULL,
    key        text        NOT NULL,
    chunk      integer     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key, chunk)
);
CREATE INDEX log_chunks_age ON log_chunks (created_at);

-- Files that were or are being read by `alpes backfill`.
CREATE TABLE files (
    digest      text        PRIMARY KEY,       -- BLAKE3 of the bytes on disk
    name        text        NOT NULL,
    bytes       bigint      NOT NULL,
    partitions  integer     NOT NULL,          -- how many lines read it at once
    started_at  timestamptz NOT NULL DEFAULT now(),  -- the publish time of all its lines
    finished_at timestamptz
);

-- Numbers for the texts that lead almost every key: 4 bytes instead of up to 255, which halves the writes.
-- Number 0 of the influencers is "nobody": events without an influencer.
CREATE TABLE campaign_names (
    campaign integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   smallint NOT NULL,
    name     text     NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE influencer_names (
    influencer integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     smallint NOT NULL,
    name       text     NOT NULL,
    UNIQUE (tenant, name)
);

-- Who was first with an id. Kept for ever by default; never partitioned by time, or two partitions could both be first.
CREATE TABLE claims (
    tenant  smallint NOT NULL,
    kind    smallint NOT NULL,
    id      uuid     NOT NULL,    -- schemas/src/ids.rs: ClaimKey
    content uuid     NOT NULL,    -- schemas/src/content.rs
    line    integer  NOT NULL,    -- with the position: which message it was
    ledger  bigint   NOT NULL,
    entry   bigint   NOT NULL,
    index   integer  NOT NULL,
    day     date     NOT NULL,    -- the day of its raw row
    PRIMARY KEY (tenant, kind, id)
);

-- Raw rows: what was counted, in daily partitions by the day of commit, without a unique index: uniqueness is the
-- claim's. They lie in the order of their positions, so that a BRIN index finds what a claim (or a relay) points to;
-- the one ordinary index serves lists, which know from `windows` where to look. Every further index would cost a tenth of
-- the line's throughput.
CREATE TABLE impressions (
    campaign     integer     NOT NULL,
    influencer   integer     NOT NULL,
    event_time   timestamptz NOT NULL,
    day          date        NOT NULL,
    click        boolean     NOT NULL,
    line         integer     NOT NULL,
    ledger       bigint      NOT NULL,
    entry        bigint      NOT NULL,
    index        integer     NOT NULL,
    published_at timestamptz NOT NULL,
    id           text        NOT NULL,
    user_id      text,        -- personal data from here on: may be set to null without touching a count
    user_agent   text,
    ip_address   text,
    referrer     text
) PARTITION BY RANGE (day);
CREATE INDEX impressions_position ON impressions USING brin (line, ledger, entry)
    WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX impressions_window ON impressions (campaign, influencer, event_time);

CREATE TABLE conversions (
    campaign     integer     NOT NULL,
    influencer   integer     NOT NULL,
    event_time   timestamptz NOT NULL,
    day          date        NOT NULL,
    kind         smallint    NOT NULL,
    amount       numeric     NOT NULL,
    currency     text        NOT NULL,
    line         integer     NOT NULL,
    ledger       bigint      NOT NULL,
    entry        bigint      NOT NULL,
    index        integer     NOT NULL,
    published_at timestamptz NOT NULL,
    id           text        NOT NULL,
    user_id      text,
    user_agent   text,
    ip_address   text,
    referrer     text
) PARTITION BY RANGE (day);
CREATE INDEX conversions_position ON conversions USING brin (line, ledger, entry)
    WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX conversions_window ON conversions (campaign, influencer, event_time);

-- The span of event time that each line wrote on each day: lists visit only the days that can hold their page.
CREATE TABLE raw_days (
    day        date        NOT NULL,
    line       integer     NOT NULL,
    event_from timestamptz NOT NULL,
    event_to   timestamptz NOT NULL,
    PRIMARY KEY (day, line)
);

-- One-minute windows, corrected by every event at once. The order of the key serves the campaign's questions.
CREATE TABLE windows (
    campaign    integer     NOT NULL,
    start       timestamptz NOT NULL,
    influencer  integer     NOT NULL,
    impressions bigint      NOT NULL,
    clicks      bigint      NOT NULL,
    conversions bigint      NOT NULL,
    revision    integer     NOT NULL DEFAULT 0,  -- corrections after it was closed
    PRIMARY KEY (campaign, start, influencer)
) WITH (fillfactor = 80);
CREATE INDEX windows_start ON windows (start);
CREATE INDEX windows_influencer ON windows (influencer, start);

CREATE TABLE window_amounts (
    campaign   integer     NOT NULL,
    start      timestamptz NOT NULL,
    influencer integer     NOT NULL,
    currency   text        NOT NULL,
    amount     numeric     NOT NULL,
    PRIMARY KEY (campaign, start, influencer, currency)
) WITH (fillfactor = 80);
CREATE INDEX window_amounts_start ON window_amounts (start);
CREATE INDEX window_amounts_influencer ON window_amounts (influencer, start);

-- Campaign totals, one row per line: a hot campaign never makes lines wait for one another; readers add.
CREATE TABLE campaign_totals (
    campaign    integer     NOT NULL,
    line        integer     NOT NULL,
    impressions bigint      NOT NULL,
    clicks      bigint      NOT NULL,
    conversions bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign, line)
) WITH (fillfactor = 50);

CREATE TABLE campaign_total_amounts (
    campaign integer NOT NULL,
    line     integer NOT NULL,
    currency text    NOT NULL,
    amount   numeric NOT NULL,
    PRIMARY KEY (campaign, line, currency)
) WITH (fillfactor = 50);

-- Roll-ups of the closed windows: invariably the sum of the windows that end at or before facts.closed_through.
-- The closer folds windows in as it closes them; an epoch adds what comes late. grain: h(our), d(ay), t(otal: start is
-- 1970). influencer -1 is the whole campaign, so that its series need not be added up.
CREATE TABLE rollups (
    campaign    integer     NOT NULL,
    influencer  integer     NOT NULL,
    grain       "char"      NOT NULL,
    start       timestamptz NOT NULL,
    impressions bigint      NOT NULL,
    clicks      bigint      NOT NULL,
    conversions bigint      NOT NULL,
    PRIMARY KEY (campaign, grain, influencer, start)
) WITH (fillfactor = 70);
CREATE INDEX rollups_influencer ON rollups (influencer, grain, start) WHERE influencer > 0;

CREATE TABLE rollup_amounts (
    campaign   integer     NOT NULL,
    influencer integer     NOT NULL,
    grain      "char"      NOT NULL,
    start      timestamptz NOT NULL,
    currency   text        NOT NULL,
    amount     numeric     NOT NULL,
    PRIMARY KEY (campaign, grain, influencer, start, currency)
) WITH (fillfactor = 70);
CREATE INDEX rollup_amounts_influencer ON rollup_amounts (influencer, grain, start) WHERE influencer > 0;

-- Every event that came after its window was closed (files excepted: they are history by nature).
CREATE TABLE late_events (
    campaign     integer     NOT NULL,
    influencer   integer     NOT NULL,
    start        timestamptz NOT NULL,
    event_time   timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    line         integer     NOT NULL,
    ledger       bigint      NOT NULL,
    entry        bigint      NOT NULL,
    index        integer     NOT NULL
);
CREATE INDEX late_events_campaign ON late_events (campaign, event_time);

-- What could not be counted, with its bytes, to be mended and replayed. A replay that fails again updates its row.
CREATE TABLE rejects (
    reject       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       smallint    NOT NULL,
    line         integer     NOT NULL,
    ledger       bigint      NOT NULL,
    entry        bigint      NOT NULL,
    index        integer     NOT NULL,
    code         text        NOT NULL,
    detail       text        NOT NULL,
    faults       jsonb       NOT NULL,        -- [{ruta, codigo, detalle}]
    kind         smallint,
    assigned_id  uuid,
    event_time   timestamptz,
    published_at timestamptz NOT NULL,
    payload      bytea       NOT NULL,
    rejected_at  timestamptz NOT NULL DEFAULT now(),
    replays      integer     NOT NULL DEFAULT 0,  -- how often it was tried again
    resolved_at  timestamptz                      -- a replay was counted (or was a duplicate)
);
CREATE INDEX rejects_position ON rejects (line, ledger, entry, index);
CREATE INDEX rejects_code ON rejects (code, reject);

-- Campaigns as their creators described them. Unknown campaigns are counted all the same; this table only describes.
CREATE TABLE campaigns (
    campaign    integer     PRIMARY KEY,
    tenant      smallint    NOT NULL,
    id          text        NOT NULL,
    name        text,
    product     text,
    brand       text,
    budget      numeric     NOT NULL,
    currency    text        NOT NULL,
    influencers text[]      NOT NULL,
    conversions json        NOT NULL,
    state       text        NOT NULL DEFAULT 'ACTIVA',
    created_at  timestamptz NOT NULL,
    UNIQUE (tenant, id)
);
CREATE INDEX campaigns_newest ON campaigns (tenant, created_at DESC, id DESC);

-- Low-volume events on their way out, in order per key; written with their cause, relayed after it.
CREATE TABLE outbox (
    sequence   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     smallint    NOT NULL,
    topic      text        NOT NULL,
    key        text        NOT NULL,
    event_id   uuid        NOT NULL UNIQUE,   -- deterministic: made from its cause
    payload    bytea       NOT NULL,          -- Avro, as the topic's schema says
    created_at timestamptz NOT NULL DEFAULT now(),
    relayed_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (sequence) WHERE relayed_at IS NULL;

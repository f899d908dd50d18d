-- Pulsar beside the log in PostgreSQL: topics as sources, commands in Avro, events on their way out.

-- lines.source of a topic: `alpes-comandos-partition-1@1795568001662`. The number behind the @ is its incarnation: a
-- topic that was deleted and made again is another topic, whatever its name, and its positions begin anew.

-- Who took the line last, for people: host and process.
ALTER TABLE lines ADD COLUMN owner text;
ALTER TABLE lines ADD COLUMN taken_at timestamptz;
-- The session of that process, so that whoever takes the line next can end it.
ALTER TABLE lines ADD COLUMN session_pid integer;
ALTER TABLE lines ADD COLUMN session_start timestamptz;
-- A loss that somebody has accepted: the line goes on behind the gap up to this position.
ALTER TABLE lines ADD COLUMN gap_accepted text;
-- The message behind a gap at which the line has stopped; once the line is there, nothing is missing any more.
ALTER TABLE lines ADD COLUMN gap text;
-- The first entry behind the position that the topic was seen to hold. A ledger that was dropped leaves no trace at the
-- broker: what was there must have been read before the line goes on behind it.
ALTER TABLE lines ADD COLUMN next_ledger bigint;
ALTER TABLE lines ADD COLUMN next_entry bigint;

-- What the bytes are written in; null: JSON. See schemas/src/message.rs: Encoding.
ALTER TABLE log ADD COLUMN encoding text;
ALTER TABLE rejects ADD COLUMN encoding text;

-- The amount came as a float that could not say its minor unit.
ALTER TABLE conversions ADD COLUMN inexact boolean NOT NULL DEFAULT false;

-- When this database first met a broker: what was counted before is history and is not announced, see docs/DECISIONS.md.
-- Lines without a row below are younger than that, and are relayed from their first row. One row.
CREATE TABLE relay_start (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    started_at  timestamptz NOT NULL DEFAULT now(),
    first_day   date        NOT NULL    -- no row to be relayed lies in an earlier day
);

-- How far the raw rows of each line have been published as events, in the order of their positions.
CREATE TABLE relay_positions (
    line        integer     PRIMARY KEY,
    ledger      bigint      NOT NULL,
    entry       bigint      NOT NULL,
    index       integer     NOT NULL,
    day         date        NOT NULL,   -- no row behind the position lies in an earlier day
    events      bigint      NOT NULL,   -- lines.accepted at the position: the difference is what waits
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- One event may go to several topics, under one id.
ALTER TABLE outbox DROP CONSTRAINT outbox_event_id_key, ADD UNIQUE (topic, event_id);

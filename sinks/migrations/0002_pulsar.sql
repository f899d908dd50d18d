-- Pulsar beside the log in PostgreSQL: topics as sources, commands in Avro, events on their way out.

-- lines.source of a topic: `alpes-comandos-partition-1@1795568001662`. The number behind the @ is its incarnation: a
-- topic that was deleted and made again is another topic, whatever its name, and its positions begin anew.

-- Who took the line last, for people: host and process.
ALTER TABLE lines ADD COLUMN owner text;
ALTER TABLE lines ADD COLUMN taken_at timestamptz;
-- A loss that somebody has accepted: the line goes on behind the gap up to this position.
ALTER TABLE lines ADD COLUMN gap_accepted text;

-- What the bytes are written in; null: JSON. See schemas/src/message.rs: Encoding.
ALTER TABLE log ADD COLUMN encoding text;
ALTER TABLE rejects ADD COLUMN encoding text;

-- The amount came as a float that could not say its minor unit.
ALTER TABLE conversions ADD COLUMN inexact boolean NOT NULL DEFAULT false;

-- How far the raw rows of each line have been published as events, in the order of their positions. `day`: that of the
-- last row's commit; the relay never looks at earlier ones again.
CREATE TABLE relay_positions (
    line        integer     NOT NULL,
    topic       text        NOT NULL,   -- what they are relayed as
    ledger      bigint      NOT NULL DEFAULT -1,
    entry       bigint      NOT NULL DEFAULT -1,
    index       integer     NOT NULL DEFAULT -1,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (line, topic)
);

-- The event store. A sequence is drawn before the commit, so ids alone would skip what commits late:
-- the transaction's id tells, with a snapshot, what a reader has seen.
CREATE TABLE fxpond_events (
	id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tx_id       xid8 NOT NULL DEFAULT pg_current_xact_id(),
	identity    TEXT NOT NULL UNIQUE, -- source and id
	event_id    TEXT NOT NULL,
	name        TEXT NOT NULL,
	source      TEXT NOT NULL,
	happened_at BIGINT NOT NULL,      -- Unix ns
	metadata    TEXT NOT NULL,        -- JSON
	data        BYTEA NOT NULL,       -- JSON as it was given
	stream      TEXT,              -- NULL: of no stream
	version     BIGINT,            -- place in the stream, from 1
	recorded_at BIGINT NOT NULL       -- Unix ms
);
CREATE UNIQUE INDEX fxpond_events_stream ON fxpond_events (stream, version);
CREATE INDEX fxpond_events_tail ON fxpond_events (tx_id, id);
CREATE INDEX fxpond_events_event ON fxpond_events (event_id);
CREATE INDEX fxpond_events_name ON fxpond_events (name);

-- The event store. Ids follow commits, because there is one writer at a time.
CREATE TABLE fxpond_events (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	tx_id       INTEGER NOT NULL DEFAULT 0, -- PostgreSQL orders by it
	identity    TEXT NOT NULL UNIQUE,       -- source and id
	event_id    TEXT NOT NULL,
	name        TEXT NOT NULL,
	source      TEXT NOT NULL,
	happened_at INTEGER NOT NULL,           -- Unix ns
	metadata    TEXT NOT NULL,              -- JSON
	data        BLOB NOT NULL,              -- JSON as it was given
	stream      TEXT,                       -- NULL: of no stream
	version     INTEGER,                    -- place in the stream, from 1
	recorded_at INTEGER NOT NULL            -- Unix ms
);
CREATE UNIQUE INDEX fxpond_events_stream ON fxpond_events (stream, version);
CREATE INDEX fxpond_events_tail ON fxpond_events (tx_id, id);
CREATE INDEX fxpond_events_event ON fxpond_events (event_id);
CREATE INDEX fxpond_events_name ON fxpond_events (name);

-- Rows that transactions lock until they end.
CREATE TABLE IF NOT EXISTS fxpond_locks (
	name VARBINARY(64) NOT NULL PRIMARY KEY
) ENGINE = InnoDB;
INSERT INTO fxpond_locks (name) VALUES ('events') ON DUPLICATE KEY UPDATE name = 'events';

-- The event store. A transaction that appends holds the lock 'events' from before its first id is drawn
-- until it ends, so ids follow commits.
CREATE TABLE IF NOT EXISTS fxpond_events (
	id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
	tx_id       BIGINT NOT NULL DEFAULT 0, -- PostgreSQL orders by it
	identity    VARBINARY(1024) NOT NULL,  -- source and id
	event_id    VARBINARY(512) NOT NULL,
	name        VARBINARY(512) NOT NULL,
	source      VARBINARY(512) NOT NULL,
	happened_at BIGINT NOT NULL,           -- Unix ns
	metadata    LONGTEXT CHARACTER SET utf8mb4 NOT NULL, -- JSON
	data        LONGBLOB NOT NULL,         -- JSON as it was given
	stream      VARBINARY(512),            -- NULL: of no stream
	version     BIGINT,                    -- place in the stream, from 1
	recorded_at BIGINT NOT NULL,           -- Unix ms
	UNIQUE KEY fxpond_events_identity (identity),
	UNIQUE KEY fxpond_events_stream (stream, version),
	KEY fxpond_events_event (event_id),
	KEY fxpond_events_name (name)
) ENGINE = InnoDB;

INSERT INTO fxpond_locks (name) VALUES ('outbox') ON DUPLICATE KEY UPDATE name = 'outbox';

-- Events that were recorded with a transaction and are on their way to a publisher.
CREATE TABLE IF NOT EXISTS fxpond_outbox (
	id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
	event_id      VARBINARY(512) NOT NULL,
	name          VARBINARY(512) NOT NULL,
	source        VARBINARY(512) NOT NULL,
	happened_at   BIGINT NOT NULL,         -- Unix ns
	metadata      LONGTEXT CHARACTER SET utf8mb4 NOT NULL, -- JSON
	data          LONGBLOB NOT NULL,       -- JSON
	ordering_key  VARBINARY(512) NOT NULL, -- empty: no order
	trace         TEXT CHARACTER SET utf8mb4 NOT NULL, -- JSON: the trace context of whoever recorded it
	created_at    BIGINT NOT NULL,         -- Unix ms, as are all below
	available_at  BIGINT NOT NULL DEFAULT 0,
	attempts      INT NOT NULL DEFAULT 0,
	faults        INT NOT NULL DEFAULT 0,
	claim         VARBINARY(64) NOT NULL DEFAULT '',
	claimed_until BIGINT NOT NULL DEFAULT 0,
	parked_at     BIGINT NOT NULL DEFAULT 0,
	last_error    VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
	-- There are no partial indexes.
	busy BOOLEAN GENERATED ALWAYS AS (LENGTH(ordering_key) > 0 AND (claimed_until > 0 OR available_at > 0 OR parked_at > 0)) STORED,
	KEY fxpond_outbox_busy (busy, ordering_key)
) ENGINE = InnoDB;

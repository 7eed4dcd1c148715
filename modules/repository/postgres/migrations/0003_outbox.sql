-- Events that were recorded with a transaction and are on their way to a publisher.
CREATE TABLE fxpond_outbox (
	id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_id      TEXT NOT NULL,
	name          TEXT NOT NULL,
	source        TEXT NOT NULL,
	happened_at   BIGINT NOT NULL,  -- Unix ns
	metadata      TEXT NOT NULL,    -- JSON
	data          BYTEA NOT NULL,   -- JSON
	ordering_key  TEXT NOT NULL,    -- empty: no order
	trace         TEXT NOT NULL,    -- JSON: the trace context of whoever recorded it
	created_at    BIGINT NOT NULL,  -- Unix ms, as are all below
	available_at  BIGINT NOT NULL DEFAULT 0,
	attempts      INTEGER NOT NULL DEFAULT 0,
	faults        INTEGER NOT NULL DEFAULT 0,
	claim         TEXT NOT NULL DEFAULT '',
	claimed_until BIGINT NOT NULL DEFAULT 0,
	parked_at     BIGINT NOT NULL DEFAULT 0,
	last_error    TEXT NOT NULL DEFAULT ''
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02); -- rows come, change twice and go
CREATE INDEX fxpond_outbox_busy ON fxpond_outbox (ordering_key)
	WHERE ordering_key <> '' AND (claimed_until > 0 OR available_at > 0 OR parked_at > 0);

-- Which listener has finished which event. A row commits together with the listener's own changes.
CREATE TABLE fxpond_ledger (
	event       TEXT NOT NULL,
	listener    TEXT NOT NULL,
	finished_at BIGINT NOT NULL, -- Unix ms
	PRIMARY KEY (event, listener)
);
CREATE INDEX fxpond_ledger_age ON fxpond_ledger (finished_at);

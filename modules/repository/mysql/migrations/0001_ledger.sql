-- Which listener has finished which event. A row commits together with the listener's own changes.
-- Names are VARBINARY here and below: compared byte by byte, case and trailing blanks included.
CREATE TABLE IF NOT EXISTS fxpond_ledger (
	event       VARBINARY(1024) NOT NULL,
	listener    VARBINARY(255) NOT NULL,
	finished_at BIGINT NOT NULL, -- Unix ms
	PRIMARY KEY (event, listener),
	KEY fxpond_ledger_age (finished_at)
) ENGINE = InnoDB;

-- What package jobstore keeps. Unique jobs that are queued, each under its key.
CREATE TABLE fxpond_job_locks (
	name       TEXT NOT NULL PRIMARY KEY,
	owner      TEXT NOT NULL,   -- ID of the job
	expires_at BIGINT NOT NULL  -- Unix ms, by this server's clock
);
CREATE INDEX fxpond_job_locks_age ON fxpond_job_locks (expires_at);

-- Jobs that have failed for good. Their order is the same on all databases.
CREATE TABLE fxpond_failed_jobs (
	id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	name      TEXT NOT NULL,
	args      BYTEA NOT NULL,  -- JSON
	error     TEXT NOT NULL,
	attempts  BIGINT NOT NULL,
	failed_at BIGINT NOT NULL, -- Unix ns
	envelope  BYTEA NOT NULL   -- JSON: what else travels with the job
);
CREATE INDEX fxpond_failed_jobs_age ON fxpond_failed_jobs (failed_at, id);

CREATE TABLE fxpond_job_batches (
	id          TEXT NOT NULL PRIMARY KEY,
	name        TEXT NOT NULL,
	total       BIGINT NOT NULL,
	done        BIGINT NOT NULL,
	failed      BIGINT NOT NULL,
	skipped     BIGINT NOT NULL,
	cancelled   BOOLEAN NOT NULL,
	created_at  BIGINT NOT NULL, -- Unix ns
	finished_at BIGINT NOT NULL, -- Unix ns; 0: not yet
	callbacks   BYTEA NOT NULL   -- JSON
) WITH (fillfactor = 50); -- a row changes with each job of its batch: it stays in its page
CREATE INDEX fxpond_job_batches_age ON fxpond_job_batches (finished_at);

-- What became of the jobs of batches.
CREATE TABLE fxpond_job_items (
	batch TEXT NOT NULL,
	item  TEXT NOT NULL,
	state TEXT NOT NULL,
	PRIMARY KEY (batch, item)
);

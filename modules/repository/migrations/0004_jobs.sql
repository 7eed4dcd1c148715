-- What package jobstore keeps. Unique jobs that are queued, each under its key.
CREATE TABLE fxpond_job_locks (
	name       TEXT NOT NULL PRIMARY KEY,
	owner      TEXT NOT NULL,    -- ID of the job
	expires_at INTEGER NOT NULL  -- Unix ms
) WITHOUT ROWID;
CREATE INDEX fxpond_job_locks_age ON fxpond_job_locks (expires_at);

-- Jobs that have failed for good.
CREATE TABLE fxpond_failed_jobs (
	id        TEXT NOT NULL PRIMARY KEY,
	name      TEXT NOT NULL,
	args      BLOB NOT NULL,    -- JSON
	error     TEXT NOT NULL,
	attempts  INTEGER NOT NULL,
	failed_at INTEGER NOT NULL, -- Unix ns
	envelope  BLOB NOT NULL     -- JSON: what else travels with the job
);
CREATE INDEX fxpond_failed_jobs_age ON fxpond_failed_jobs (failed_at, id);

CREATE TABLE fxpond_job_batches (
	id          TEXT NOT NULL PRIMARY KEY,
	name        TEXT NOT NULL,
	total       INTEGER NOT NULL,
	done        INTEGER NOT NULL,
	failed      INTEGER NOT NULL,
	skipped     INTEGER NOT NULL,
	cancelled   BOOLEAN NOT NULL,
	created_at  INTEGER NOT NULL, -- Unix ns
	finished_at INTEGER NOT NULL, -- Unix ns; 0: not yet
	callbacks   BLOB NOT NULL     -- JSON
);
CREATE INDEX fxpond_job_batches_age ON fxpond_job_batches (finished_at);

-- What became of the jobs of batches.
CREATE TABLE fxpond_job_items (
	batch TEXT NOT NULL,
	item  TEXT NOT NULL,
	state TEXT NOT NULL,
	PRIMARY KEY (batch, item)
) WITHOUT ROWID;

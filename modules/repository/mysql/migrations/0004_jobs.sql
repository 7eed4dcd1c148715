-- What package jobstore keeps. Unique jobs that are queued, each under its key.
CREATE TABLE IF NOT EXISTS fxpond_job_locks (
	name       VARBINARY(512) NOT NULL PRIMARY KEY,
	owner      VARBINARY(512) NOT NULL, -- ID of the job
	expires_at BIGINT NOT NULL,         -- Unix ms, by this server's clock
	KEY fxpond_job_locks_age (expires_at)
) ENGINE = InnoDB;

-- Jobs that have failed for good.
CREATE TABLE IF NOT EXISTS fxpond_failed_jobs (
	id        VARBINARY(512) NOT NULL PRIMARY KEY,
	name      VARBINARY(512) NOT NULL,
	args      LONGBLOB NOT NULL, -- JSON
	error     MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL,
	attempts  BIGINT NOT NULL,
	failed_at BIGINT NOT NULL,   -- Unix ns
	envelope  LONGBLOB NOT NULL, -- JSON: what else travels with the job
	KEY fxpond_failed_jobs_age (failed_at, id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS fxpond_job_batches (
	id          VARBINARY(512) NOT NULL PRIMARY KEY,
	name        TEXT CHARACTER SET utf8mb4 NOT NULL,
	total       BIGINT NOT NULL,
	done        BIGINT NOT NULL,
	failed      BIGINT NOT NULL,
	skipped     BIGINT NOT NULL,
	cancelled   BOOLEAN NOT NULL,
	created_at  BIGINT NOT NULL,  -- Unix ns
	finished_at BIGINT NOT NULL,  -- Unix ns; 0: not yet
	callbacks   LONGBLOB NOT NULL, -- JSON
	KEY fxpond_job_batches_age (finished_at)
) ENGINE = InnoDB;

-- What became of the jobs of batches.
CREATE TABLE IF NOT EXISTS fxpond_job_items (
	batch VARBINARY(512) NOT NULL,
	item  VARBINARY(512) NOT NULL,
	state VARBINARY(64) NOT NULL,
	PRIMARY KEY (batch, item)
) ENGINE = InnoDB;

package jobstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"

	"github.com/fxpond/fxpond/modules/jobs"
)

// failed is a jobs.FailedStore.
type failed struct {
	db *database

	add, find, remove string
	newest, page      string
}

const failedColumns = "id, name, args, error, attempts, failed_at, envelope"

func newFailed(db *database) *failed {
	const insert = "INSERT INTO fxpond_failed_jobs (" + failedColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?)"
	begin, value := " ON CONFLICT (id) DO UPDATE SET ", "%[1]s = excluded.%[1]s"
	if db.dialect.MySQL {
		begin, value = " ON DUPLICATE KEY UPDATE ", "%[1]s = VALUES(%[1]s)"
	}
	var set []string
	for _, column := range strings.Split(failedColumns, ", ")[1:] {
		set = append(set, fmt.Sprintf(value, column))
	}
	return &failed{
		db:     db,
		add:    db.dialect.Rebind(insert + begin + strings.Join(set, ", ")),
		find:   db.dialect.Rebind("SELECT " + failedColumns + " FROM fxpond_failed_jobs WHERE id = ?"),
		remove: db.dialect.Rebind("DELETE FROM fxpond_failed_jobs WHERE id = ?"),
		newest: "SELECT COALESCE(MAX(failed_at), 0) FROM fxpond_failed_jobs",
		page: db.dialect.Rebind("SELECT " + failedColumns + " FROM fxpond_failed_jobs" +
			" WHERE failed_at >= ? AND failed_at <= ? AND (failed_at > ? OR id > ?) ORDER BY failed_at, id LIMIT ?"),
	}
}

// maxError is how much of an error's text is kept.
const maxError = 64 << 10

// Add implements jobs.FailedStore.
func (f *failed) Add(ctx context.Context, job jobs.FailedJob) error {
	text := job.Error
	if len(text) > maxError {
		text = text[:maxError]
	}
	// Never nil: that is NULL.
	args, envelope := append([]byte{}, job.Args...), append([]byte{}, job.Envelope...)
	_, err := f.db.exec(ctx, f.add, job.ID, job.Name, args, readable(text), job.Attempts, nanos(job.At), envelope)
	if err != nil {
		return fmt.Errorf("jobstore: keeping failed job %s: %w", job.ID, err)
	}
	return nil
}

// readable replaces what is no text to some database.
func readable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// Find implements jobs.FailedStore.
func (f *failed) Find(ctx context.Context, id string) (jobs.FailedJob, error) {
	job, err := scanFailed(f.db.SQL(ctx).QueryRowContext(ctx, f.find, id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return job, jobs.ErrNotFound
	case err != nil:
		return job, fmt.Errorf("jobstore: reading failed job %s: %w", id, f.db.Classify(err))
	}
	return job, nil
}

func scanFailed(row interface{ Scan(into ...any) error }) (job jobs.FailedJob, err error) {
	var args, envelope []byte
	var at int64
	if err := row.Scan(&job.ID, &job.Name, &args, &job.Error, &job.Attempts, &at, &envelope); err != nil {
		return jobs.FailedJob{}, err
	}
	job.Args, job.Envelope, job.At = args, string(envelope), fromNanos(at)
	return job, nil
}

// pageSize keeps little in memory, since a job can be of a megabyte.
const pageSize = 50

// List implements jobs.FailedStore. It holds neither a connection nor a lock while the loop works. It ends at the
// newest job there was at first, so that a loop ends that retries jobs which fail again.
func (f *failed) List(ctx context.Context) iter.Seq2[jobs.FailedJob, error] {
	return func(yield func(jobs.FailedJob, error) bool) {
		stop := func(err error) {
			yield(jobs.FailedJob{}, fmt.Errorf("jobstore: listing failed jobs: %w", f.db.Classify(err)))
		}
		var last int64
		if err := f.db.SQL(ctx).QueryRowContext(ctx, f.newest).Scan(&last); err != nil {
			stop(err)
			return
		}
		at, id := int64(math.MinInt64), ""
		for {
			page, err := f.read(ctx, at, last, at, id, pageSize)
			if err != nil {
				stop(err)
				return
			}
			for _, job := range page {
				if ctx.Err() != nil {
					stop(context.Cause(ctx))
					return
				}
				if !yield(job, nil) {
					return
				}
				at, id = nanos(job.At), job.ID
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (f *failed) read(ctx context.Context, args ...any) (page []jobs.FailedJob, err error) {
	rows, err := f.db.SQL(ctx).QueryContext(ctx, f.page, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	for rows.Next() {
		job, err := scanFailed(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, job)
	}
	return page, rows.Err()
}

// Remove implements jobs.FailedStore.
func (f *failed) Remove(ctx context.Context, id string) error {
	n, err := f.db.exec(ctx, f.remove, id)
	switch {
	case err != nil:
		return fmt.Errorf("jobstore: removing failed job %s: %w", id, err)
	case n == 0:
		return jobs.ErrNotFound
	}
	return nil
}

package jobstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fxpond/fxpond/modules/repository"
)

// database runs SQL for the stores.
type database struct {
	*repository.DB

	dialect repository.Dialect
	clock   string           // an expression, in Unix milliseconds
	options []*sql.TxOptions // of transactions of their own
}

func newDatabase(d *repository.DB) *database {
	db := &database{DB: d, dialect: d.Dialect()}
	if db.clock = db.dialect.Clock; db.clock == "" {
		db.clock = "CAST(unixepoch('subsec') * 1000 AS INTEGER)" // SQLite's, read when the statement has its turn
	}
	if !db.dialect.SingleWriter && !db.dialect.MySQL {
		// Who locks the row first needs no more. Where an application made a stricter level the default,
		// PostgreSQL would fail all those that waited for the row.
		db.options = []*sql.TxOptions{{Isolation: sql.LevelReadCommitted}}
	}
	return db
}

// forUpdate ends a SELECT so that the row stays as it is until the transaction ends.
func (d *database) forUpdate() string {
	if d.dialect.SingleWriter {
		return ""
	}
	return " FOR UPDATE"
}

// exec runs one statement and tells how many rows it met.
func (d *database) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = d.insist(ctx, func() error {
		result, err := d.SQL(ctx).ExecContext(ctx, query, args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, err
}

// transaction runs fn in a transaction, or in a savepoint of the context's. fn may be called again.
func (d *database) transaction(ctx context.Context, fn func(ctx context.Context) error) error {
	options := d.options
	if d.InTx(ctx) {
		options = nil
	}
	return d.insist(ctx, func() error { return d.Transaction(ctx, fn, options...) })
}

const maxTries = 20

// insist repeats what the database gave up for the sake of another transaction. Inside the caller's transaction
// that is the caller's to do.
func (d *database) insist(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := d.Classify(do())
		if err == nil || try == maxTries || d.InTx(ctx) || !errors.Is(err, repository.ErrConflict) {
			return err
		}
		timer := time.NewTimer(rand.N(min(time.Millisecond<<try, 100*time.Millisecond)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// keys returns a column of text.
func (d *database) keys(ctx context.Context, query string, args ...any) (all []string, err error) {
	rows, err := d.SQL(ctx).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, d.Classify(err)
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, rows.Err()
}

// nanos writes a time, the zero time as 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

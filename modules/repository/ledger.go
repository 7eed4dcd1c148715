package repository

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/repository/internal/loop"
)

// Ledger is an events.Ledger in the database. A listener runs inside a transaction that its context
// carries; its mark and everything it writes with that context commit together or not at all. So its
// effects on this database happen once, however often the event is delivered; its other effects happen
// at least once. While it runs it holds a connection, on SQLite the one writer.
//
// All its methods may be called concurrently, with other processes on the same database too.
type Ledger struct {
	d         *DB
	retention time.Duration
	sweeper   *loop.Loop

	mark, finished, sweep string
}

// LedgerConfig tunes a Ledger.
type LedgerConfig struct {
	// Retention is how long a finished listener is remembered. It must exceed the time for which a
	// message can come back: SQS keeps one for up to 14 days. Default 15 days; -1 keeps all.
	Retention time.Duration

	// SweepInterval is how often forgotten marks are deleted, 1,000 at a time. Default 10m.
	SweepInterval time.Duration
}

// NewLedger makes the ledger. Run works at once; Start only sees to old marks.
func NewLedger(d *DB, cfg LedgerConfig) *Ledger {
	l := &Ledger{
		d:         d,
		retention: or(cfg.Retention, 15*24*time.Hour),
		mark:      "INSERT INTO fxpond_ledger (event, listener, finished_at) VALUES (?, ?, ?)",
		finished:  "SELECT listener FROM fxpond_ledger WHERE event = ? AND listener IN (",
		sweep: d.dialect.Rebind("DELETE FROM fxpond_ledger WHERE (event, listener) IN " +
			"(SELECT event, listener FROM fxpond_ledger WHERE finished_at < ? ORDER BY finished_at LIMIT 1000)"),
	}
	if d.dialect.MySQL {
		l.sweep = "SELECT event, listener FROM fxpond_ledger WHERE finished_at < ? ORDER BY finished_at LIMIT 1000"
	} else {
		l.mark = d.dialect.Rebind(l.mark + d.dialect.SkipTaken("event"))
	}
	l.sweeper = loop.New(or(cfg.SweepInterval, 10*time.Minute), l.forget)
	return l
}

// Finished implements events.Ledger.
func (l *Ledger) Finished(ctx context.Context, event string, listeners []string) (done []string, err error) {
	if len(listeners) == 0 {
		return nil, nil
	}
	args := []any{event}
	for _, name := range listeners {
		args = append(args, name)
	}
	query := l.d.dialect.Rebind(l.finished + strings.Repeat("?, ", len(listeners)-1) + "?)")
	rows, err := l.d.SQL(ctx).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("repository: reading the ledger: %w", l.d.closedOr(err))
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("repository: reading the ledger: %w", err)
		}
		done = append(done, name)
	}
	return done, rows.Err()
}

// Run implements events.Ledger. A twin waits until the first has committed or rolled back. Inside a
// transaction of the context the mark joins that.
func (l *Ledger) Run(ctx context.Context, event, listener string, fn func(ctx context.Context) error) (ran bool, err error) {
	err = l.d.Transaction(ctx, func(ctx context.Context) error {
		result, err := l.d.SQL(ctx).ExecContext(ctx, l.mark, event, listener, time.Now().UnixMilli())
		switch {
		case l.d.dialect.MySQL && l.d.isDuplicate(err):
			return nil
		case err != nil:
			return fmt.Errorf("repository: marking in the ledger: %w", l.d.classify(err))
		}
		if n, err := result.RowsAffected(); n == 0 || err != nil {
			return err
		}
		ran = true
		return fn(ctx)
	})
	return ran, err
}

// Start deletes old marks from time to time until Stop.
func (l *Ledger) Start(context.Context) error {
	if l.retention > 0 {
		l.sweeper.Start()
	}
	return nil
}

// Stop ends the sweeping. It is idempotent, and right without Start.
func (l *Ledger) Stop(ctx context.Context) error {
	if err := l.sweeper.Stop(ctx); err != nil {
		return fmt.Errorf("repository: sweeping the ledger: %w", err)
	}
	return nil
}

// forget deletes a thousand old marks and asks to be called again while there may be more.
func (l *Ledger) forget(ctx context.Context) (more bool) {
	forget := l.forgetOld
	if l.d.dialect.MySQL {
		forget = l.forgetByKey
	}
	n, err := forget(ctx, time.Now().Add(-l.retention).UnixMilli())
	if err != nil && ctx.Err() == nil {
		l.d.log.Warn("old marks stay in the ledger for now", zap.Error(err))
	}
	return err == nil && n == 1000
}

func (l *Ledger) forgetOld(ctx context.Context, before int64) (int64, error) {
	result, err := l.d.SQL(ctx).ExecContext(ctx, l.sweep, before)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// forgetByKey finds first and deletes then, one by one. A DELETE of MySQL waits for all rows it looks at, and
// it may look at the whole table for two keys: then it would wait for the marks of listeners at work.
func (l *Ledger) forgetByKey(ctx context.Context, before int64) (n int64, err error) {
	rows, err := l.d.SQL(ctx).QueryContext(ctx, l.sweep, before)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	var old [][2]string
	for rows.Next() {
		var key [2]string
		if err := rows.Scan(&key[0], &key[1]); err != nil {
			return 0, err
		}
		old = append(old, key)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return int64(len(old)), l.d.Transaction(ctx, func(ctx context.Context) error {
		for _, key := range old {
			if _, err := l.d.SQL(ctx).ExecContext(ctx, "DELETE FROM fxpond_ledger WHERE event = ? AND listener = ?", key[0], key[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

var _ events.Ledger = (*Ledger)(nil)

package repository

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// DB is an open database with what all repositories on it share: the connections, the transaction in
// the context, the slots of coalesced finds. All its methods may be called concurrently.
type DB struct {
	cfg     Config
	dialect *Dialect
	log     *zap.Logger
	tel     *telemetry

	sql     *sql.DB
	gorm    *gorm.DB
	release func()
	borrows bool          // the handle is the caller's: never closed here
	gate    chan struct{} // holds a token while somebody writes; nil if writers need no queue
	finds   *dispatcher

	mu      sync.Mutex
	started bool
	stopped bool
}

// Option changes what NewDB makes.
type Option func(*DB)

// WithLogger makes the database log to l. Default: nothing is logged.
func WithLogger(l *zap.Logger) Option {
	return func(d *DB) {
		if l != nil {
			d.log = l.Named("repository")
		}
	}
}

// WithMeterProvider makes the database report to p. Default: OpenTelemetry's global provider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(d *DB) {
		if p != nil {
			d.tel.provider = p
		}
	}
}

// WithSQL makes the database work on an open handle, which stays the caller's to size and to close.
// Config.Driver must name its dialect. SQLite handles must begin transactions as immediate; MySQL handles
// must be opened by package repository/mysql.
func WithSQL(handle *sql.DB) Option {
	return func(d *DB) {
		if handle != nil {
			d.sql, d.borrows = handle, true
		}
	}
}

// NewDB makes a database handle. Nothing connects before Start or the first query.
func NewDB(cfg Config, opts ...Option) (*DB, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	d := &DB{cfg: cfg, dialect: dialectNamed(cfg.Driver), log: zap.NewNop(), tel: new(telemetry), release: func() {}}
	for _, opt := range opts {
		opt(d)
	}
	if err := d.open(); err != nil {
		return nil, err
	}
	d.finds = newDispatcher(cfg.Coalesce.Slots)
	if err := d.tel.register(d); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *DB) open() error {
	if !d.borrows {
		handle, release, err := d.dialect.Open(d.cfg.DSN)
		if err != nil {
			return fmt.Errorf("repository: opening %s: %w", redact(d.cfg.DSN), err)
		}
		d.sql, d.release = handle, release
		handle.SetMaxOpenConns(d.cfg.MaxOpenConns)
		handle.SetMaxIdleConns(d.cfg.MaxIdleConns)
		handle.SetConnMaxLifetime(max(0, d.cfg.ConnMaxLifetime))
		handle.SetConnMaxIdleTime(max(0, d.cfg.ConnMaxIdleTime))
	} else if d.dialect.Check != nil {
		if err := d.dialect.Check(d.sql); err != nil {
			return fmt.Errorf("repository: using a handle of WithSQL: %w", err)
		}
	}
	if d.dialect.SingleWriter {
		d.gate = make(chan struct{}, 1)
	}
	g, err := gorm.Open(d.dialect.Gorm(d.sql), &gorm.Config{
		SkipDefaultTransaction: true, // it doubles the cost of a write; Transaction is there for those that need one
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard, // errors are returned, once
		NowFunc:                func() time.Time { return time.Now().UTC().Truncate(d.precision()) },
	})
	if err != nil {
		return errors.Join(fmt.Errorf("repository: setting up gorm for %s: %w", d.dialect.Name, err), d.close())
	}
	d.gorm = g
	return nil
}

// precision is what a stored time keeps: a row that was just created equals the one read back.
func (d *DB) precision() time.Duration {
	if d.dialect.SingleWriter {
		return time.Millisecond
	}
	return time.Microsecond
}

func (d *DB) close() error {
	if d.borrows {
		return nil
	}
	err := d.sql.Close()
	d.release()
	return err
}

// Driver returns the name of the dialect.
func (d *DB) Driver() string { return d.dialect.Name }

// Dialect tells what is particular to the database, for those who write SQL of their own.
func (d *DB) Dialect() Dialect { return *d.dialect }

// Queryer runs SQL: *sql.DB, *sql.Tx and *sql.Conn do.
type Queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// SQL returns what runs SQL in the context's transaction, or on any connection without one. Statements
// are yours: bind every value.
func (d *DB) SQL(ctx context.Context) Queryer {
	if t := d.current(ctx); t != nil {
		return t.tx
	}
	if d.gate != nil {
		return gatedSQL{d}
	}
	return d.sql
}

// Gorm returns gorm's own handle for what a typed repository should not hide, in the context's
// transaction if there is one. Bare strings are SQL there: never pass input as a condition. Each call
// returns a fresh session.
func (d *DB) Gorm(ctx context.Context) *gorm.DB {
	s := d.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
	if t := d.current(ctx); t != nil {
		s.Statement.ConnPool = t.tx
	}
	return s
}

// gatedSQL lets one writer at a time into a database that knows only one.
type gatedSQL struct{ d *DB }

func (g gatedSQL) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	leave, err := g.d.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return g.d.sql.ExecContext(ctx, query, args...)
}

func (g gatedSQL) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return g.d.sql.QueryContext(ctx, query, args...)
}

func (g gatedSQL) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return g.d.sql.QueryRowContext(ctx, query, args...)
}

// enter waits for the turn to write. leave must be called once.
func (d *DB) enter(ctx context.Context) (leave func(), err error) {
	if d.gate == nil {
		return func() {}, nil
	}
	leave = func() { <-d.gate }
	select {
	case d.gate <- struct{}{}:
		return leave, nil
	default:
	}
	var late <-chan time.Time
	if d.cfg.QueryTimeout > 0 {
		timer := time.NewTimer(d.cfg.QueryTimeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case d.gate <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("repository: waiting to write: %w", context.Cause(ctx))
	case <-late:
		return nil, fmt.Errorf("%w for longer than %v; inside a transaction, pass its context on", ErrBusy, d.cfg.QueryTimeout)
	}
}

package jobstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/loop"
)

// Stores are the books of package jobs in one database. All their methods may be called concurrently, by other
// processes on the same database too.
type Stores struct {
	Locks   jobs.Locks
	Failed  jobs.FailedStore
	Batches jobs.BatchStore

	cfg     Config
	log     *zap.Logger
	locks   *locks
	batches *batches
	sweeper *loop.Loop
}

// Option changes what New makes.
type Option func(*Stores)

// WithLogger makes the stores log to l. Default: nothing is logged.
func WithLogger(l *zap.Logger) Option {
	return func(s *Stores) {
		if l != nil {
			s.log = l.Named("jobstore")
		}
	}
}

// New makes the stores. They work as soon as the database does; Start only sees to what is old.
func New(d *repository.DB, cfg Config, opts ...Option) (*Stores, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	db := newDatabase(d)
	l, f, b := newLocks(db), newFailed(db), newBatches(db)
	s := &Stores{Locks: l, Failed: f, Batches: b, cfg: cfg, log: zap.NewNop(), locks: l, batches: b}
	s.sweeper = loop.New(cfg.SweepInterval, s.sweep)
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// Start deletes what is old from time to time until Stop. It is idempotent.
func (s *Stores) Start(context.Context) error {
	s.sweeper.Start()
	s.log.Info("job stores started", zap.Object("config", s.cfg))
	return nil
}

// Stop ends the sweeping and waits for that until ctx ends. It is idempotent, and right without Start.
func (s *Stores) Stop(ctx context.Context) error {
	if err := s.sweeper.Stop(ctx); err != nil {
		return fmt.Errorf("jobstore: sweeping: %w", err)
	}
	return nil
}

// sweep deletes a part of what is old, so that no transaction is long, and tells whether there may be more.
func (s *Stores) sweep(ctx context.Context) (more bool) {
	more, err := s.locks.sweep(ctx)
	if s.cfg.BatchRetention > 0 {
		old, failed := s.batches.sweep(ctx, time.Now().Add(-s.cfg.BatchRetention))
		more, err = more || old, errors.Join(err, failed)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("expired locks and old batches stay for now", zap.Error(err))
	}
	return more && err == nil
}

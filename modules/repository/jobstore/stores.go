package jobstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
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

	mu     sync.Mutex
	cancel context.CancelFunc
	ended  chan struct{}
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
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// Start deletes what is old from time to time until Stop.
func (s *Stores) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan struct{})
	go s.run(ctx, s.ended)
	s.log.Info("job stores started", zap.Object("config", s.cfg))
	return nil
}

// Stop ends the sweeping and waits for that until ctx ends. It is idempotent, and right without Start.
func (s *Stores) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	select {
	case <-s.ended:
		s.cancel = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("jobstore: stopping: %w", context.Cause(ctx))
	}
}

func (s *Stores) run(ctx context.Context, ended chan<- struct{}) {
	defer close(ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("expired locks and old batches stay for now", zap.Error(err))
		}
		timer.Reset(s.cfg.SweepInterval/2 + rand.N(s.cfg.SweepInterval)) // processes that started together part
	}
}

// sweep deletes in parts, so that no transaction is long.
func (s *Stores) sweep(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = s.locks.sweep(ctx); err != nil {
			return err
		}
	}
	for more := s.cfg.BatchRetention > 0; more; {
		var err error
		if more, err = s.batches.sweep(ctx, time.Now().Add(-s.cfg.BatchRetention)); err != nil {
			return err
		}
	}
	return nil
}

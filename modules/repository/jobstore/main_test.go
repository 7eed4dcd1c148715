package jobstore_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/jobstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errDown = errors.New("connection refused")
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open connects as one process does.
func open(t testing.TB, dsn string) *repository.DB {
	t.Helper()
	db, err := repository.NewDB(repository.Config{DSN: dsn, MaxOpenConns: 5})
	must(t, err)
	must(t, db.Start(context.Background()))
	t.Cleanup(func() { must(t, db.Stop(context.Background())) })
	return db
}

func stores(t testing.TB, db *repository.DB, cfg jobstore.Config) *jobstore.Stores {
	t.Helper()
	s, err := jobstore.New(db, cfg)
	must(t, err)
	return s
}

// processes are two on the same database; each call goes to the next one.
type processes struct {
	all   [2]*jobstore.Stores
	calls *atomic.Uint64
}

func twoProcesses(t testing.TB, dsn string) processes {
	t.Helper()
	p := processes{calls: new(atomic.Uint64)}
	for i := range p.all {
		p.all[i] = stores(t, open(t, dsn), jobstore.Config{})
	}
	return p
}

func (p processes) next() *jobstore.Stores { return p.all[p.calls.Add(1)%2] }

type sharedLocks struct{ processes }

func (s sharedLocks) Lock(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	return s.next().Locks.Lock(ctx, key, owner, ttl)
}

func (s sharedLocks) Unlock(ctx context.Context, key, owner string) error {
	return s.next().Locks.Unlock(ctx, key, owner)
}

type sharedFailed struct{ processes }

func (s sharedFailed) Add(ctx context.Context, job jobs.FailedJob) error {
	return s.next().Failed.Add(ctx, job)
}

func (s sharedFailed) Find(ctx context.Context, id string) (jobs.FailedJob, error) {
	return s.next().Failed.Find(ctx, id)
}

func (s sharedFailed) List(ctx context.Context) iter.Seq2[jobs.FailedJob, error] {
	return s.next().Failed.List(ctx)
}

func (s sharedFailed) Remove(ctx context.Context, id string) error {
	return s.next().Failed.Remove(ctx, id)
}

type sharedBatches struct{ processes }

func (s sharedBatches) Create(ctx context.Context, b jobs.BatchState) error {
	return s.next().Batches.Create(ctx, b)
}

func (s sharedBatches) Find(ctx context.Context, id string) (jobs.BatchState, error) {
	return s.next().Batches.Find(ctx, id)
}

func (s sharedBatches) Update(ctx context.Context, id, item string, change func(*jobs.BatchState, *jobs.ItemState)) (jobs.BatchState, error) {
	return s.next().Batches.Update(ctx, id, item, change)
}

package jobstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
	"github.com/fxpond/fxpond/modules/repository/jobstore"
)

// queue stands for SQS: it outlives the processes, and each message goes to one of them.
type queue struct {
	mu       sync.Mutex
	messages []events.Any
}

func (q *queue) Publish(_ context.Context, all ...events.Any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, all...)
	return nil
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

func (q *queue) take() (e events.Any, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) == 0 {
		return e, false
	}
	e = q.messages[0]
	q.messages = q.messages[1:]
	return e, true
}

// process is an app with the modules, and handlers that keep a record of what ran.
type process struct {
	*jobs.Dispatcher
	bus *events.Bus
	db  *repository.DB
}

var (
	work    = jobs.New[int]("work", jobs.MaxAttempts(1))
	summary = jobs.New[string]("summary")
)

// cluster is two processes on one database and one queue.
type cluster struct {
	all   [2]process
	queue queue
	down  atomic.Bool // work fails

	mu  sync.Mutex
	ran []string
}

func newCluster(t *testing.T, dsn string, opts ...fx.Option) *cluster {
	c := new(cluster)
	note := func(what any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ran = append(c.ran, fmt.Sprint(what))
	}
	handlers := func() []jobs.Handler {
		return []jobs.Handler{
			work.Handler(func(_ context.Context, n int) error {
				if c.down.Load() {
					return errDown
				}
				note(n)
				return nil
			}),
			summary.Handler(func(_ context.Context, what string) error { note(what); return nil }),
		}
	}
	for i := range c.all {
		p := &c.all[i]
		app := uberfxtest.New(t, fx.NopLogger,
			goroutine.Module, events.Module, repository.Module, repository.LedgerModule, jobs.Module, jobstore.Module,
			fx.Supply(repository.Config{DSN: dsn}),
			fx.Provide(func() *queue { return &c.queue }, jobs.AsHandler(handlers)),
			fx.Options(opts...),
			fx.Populate(&p.Dispatcher, &p.bus, &p.db),
		)
		app.RequireStart()
		t.Cleanup(app.RequireStop)
	}
	return c
}

// run delivers all there is to both processes, and returns what they have done, sorted.
func (c *cluster) run(t *testing.T) []string {
	t.Helper()
	var all sync.WaitGroup
	for _, p := range c.all {
		all.Go(func() {
			for e, ok := c.queue.take(); ok; e, ok = c.queue.take() {
				if err := p.bus.Deliver(events.WithAttempt(t.Context(), 1), e).Err(); err != nil && !errors.Is(err, errDown) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	ran := c.ran
	c.ran = nil
	slices.Sort(ran)
	return ran
}

func (c *cluster) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := c.run(t); !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}

func TestProcessesShareTheBooksOfJobs(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		ctx := t.Context()
		c := newCluster(t, dsn(t), events.PublishVia[*queue]())
		a, b := c.all[0], c.all[1]

		t.Log("a unique job is queued once, and again when it is done")
		for range 2 {
			must(t, a.Dispatch(ctx, work.New(1, jobs.UniqueFor(time.Hour))))
			must(t, b.Dispatch(ctx, work.New(1, jobs.UniqueFor(time.Hour))))
			c.expect(t, "1")
		}

		t.Log("what fails in one can be retried in the other")
		c.down.Store(true)
		must(t, a.Dispatch(ctx, work.New(2)))
		c.expect(t)
		for _, p := range c.all {
			n := 0
			for job, err := range p.Failed(ctx) {
				must(t, err)
				if n++; job.Name != "work" || string(job.Args) != "2" || !strings.Contains(job.Error, errDown.Error()) || job.Attempts != 1 {
					t.Errorf("failed: %+v", job)
				}
				if p == b {
					c.down.Store(false)
					must(t, b.Retry(ctx, job.ID))
				}
			}
			if n != 1 {
				t.Errorf("%d failed jobs, want 1", n)
			}
		}
		c.expect(t, "2")
		for job, err := range a.Failed(ctx) {
			t.Errorf("still there: %+v, %v", job, err)
		}

		t.Log("a batch is done when all of it is, wherever that was")
		batch := jobs.Batch{Name: "all", Then: summary.New("then"), Finally: summary.New("finally")}
		want := []string{"finally", "then"}
		for n := range 20 {
			batch.Jobs = append(batch.Jobs, work.New(n))
			want = append(want, fmt.Sprint(n))
		}
		slices.Sort(want)
		id, err := a.DispatchBatch(ctx, batch)
		must(t, err)
		c.expect(t, want...)
		state, err := b.Batch(ctx, id)
		if err != nil || state.Done != 20 || state.FinishedAt.IsZero() || !state.Then.Sent || !state.Finally.Sent {
			t.Errorf("%+v, %v", state, err)
		}
	})
}

// A lock without its job would keep the job from ever being queued.
func TestALockIsTakenIfAndOnlyIfTheJobIsQueued(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		c := newCluster(t, dsn(t), repository.OutboxTo[*queue](), events.PublishVia[*repository.Outbox](),
			fx.Supply(repository.OutboxConfig{Poll: 10 * time.Millisecond}))
		for n, end := range []error{errDown, nil, nil} {
			p := c.all[n%2]
			err := p.db.Transaction(t.Context(), func(ctx context.Context) error {
				must(t, p.Dispatch(ctx, work.New(7, jobs.UniqueFor(time.Hour))))
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
		}
		for give := time.Now().Add(30 * time.Second); c.queue.len() == 0; <-time.After(time.Millisecond) {
			if time.Now().After(give) {
				t.Fatal("waited 30s for the job")
			}
		}
		c.expect(t, "7")
	})
}

func TestTheModuleRunsWithNothingSupplied(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	var s *jobstore.Stores
	var l jobs.Locks
	var f jobs.FailedStore
	var b jobs.BatchStore
	app := uberfxtest.New(t, fx.NopLogger, repository.Module, jobstore.Module, fx.Supply(zap.New(core)), fx.Populate(&s, &l, &f, &b))
	app.RequireStart()
	if l != s.Locks || f != s.Failed || b != s.Batches {
		t.Error("the app got others")
	}
	if mine, err := l.Lock(t.Context(), "k", "a", time.Hour); !mine || err != nil {
		t.Errorf("Lock: %v, %v", mine, err)
	}
	app.RequireStop()
	started := logs.FilterMessage("job stores started").All()
	if len(started) != 1 || fmt.Sprint(started[0].ContextMap()["config"]) != "map[batch_retention:360h0m0s sweep_interval:10m0s]" {
		t.Errorf("logged %v", started)
	}
}

func TestTheModuleFailsTheStart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		opt  fx.Option
		want string
	}{
		{"without a database", jobs.Module, "missing type: *repository.DB"},
		{"on a bad config", fx.Supply(open(t, ""), jobstore.Config{BatchRetention: -2, SweepInterval: -1}), "jobstore.Config.SweepInterval is -1ns"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := fx.New(fx.NopLogger, goroutine.Module, events.Module, jobstore.Module, tc.opt).Err()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := jobstore.New(nil, jobstore.Config{BatchRetention: -2})
	if err == nil || !strings.Contains(err.Error(), "jobstore.Config.BatchRetention is -2ns") {
		t.Errorf("New: %v", err)
	}
}

func TestTheModuleTakesTheAppsConfig(t *testing.T) {
	t.Parallel()
	var s *jobstore.Stores
	app := uberfxtest.New(t, fx.NopLogger, repository.Module, jobstore.Module,
		fx.Supply(repository.Config{DSN: filepath.Join(t.TempDir(), "app.db")}, jobstore.Config{BatchRetention: time.Hour, SweepInterval: time.Millisecond}),
		fx.Populate(&s))
	app.RequireStart()
	defer app.RequireStop()
	must(t, s.Batches.Create(t.Context(), jobs.BatchState{ID: "1", FinishedAt: noon}))
	for give := time.Now().Add(30 * time.Second); ; {
		_, err := s.Batches.Find(t.Context(), "1")
		if errors.Is(err, jobs.ErrNotFound) {
			return
		}
		must(t, err)
		if time.Now().After(give) {
			t.Fatal("an old batch is still there after 30s")
		}
	}
}

func TestStopIsRightWithoutStart(t *testing.T) {
	t.Parallel()
	s := stores(t, open(t, ""), jobstore.Config{})
	must(t, s.Stop(t.Context()))
	must(t, s.Start(t.Context()))
	must(t, s.Stop(t.Context()))
	must(t, s.Start(t.Context())) // again
	must(t, s.Stop(t.Context()))
}

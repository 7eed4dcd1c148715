package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

func TestAUniqueJobIsQueuedOnce(t *testing.T) {
	t.Parallel()
	job := jobs.New[welcome]("job", jobs.UniqueFor(time.Hour))
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(context.Context, welcome) error { return nil })}})
	dispatch := func(want int, tasks ...jobs.Task) {
		t.Helper()
		before := len(r.queue.sent)
		must(t, r.Dispatch(t.Context(), tasks...))
		if got := len(r.queue.sent) - before; got != want {
			t.Errorf("queued %d, want %d", got, want)
		}
	}
	dispatch(1, job.New(welcome{"ada"}), job.New(welcome{"ada"}))
	dispatch(0, job.New(welcome{"ada"}))
	dispatch(1, job.New(welcome{"bob"}))
	dispatch(1, jobs.New[welcome]("other", jobs.UniqueFor(time.Hour)).New(welcome{"ada"}))
	dispatch(1, job.New(welcome{"ada"}, jobs.UniqueFor(0)))
	dispatch(1, job.New(welcome{"ada"}, jobs.UniqueKey("k")), job.New(welcome{"eve"}, jobs.UniqueKey("k")))
	r.queue.messages = r.queue.messages[:1]
	r.consume()
	dispatch(1, job.New(welcome{"ada"})) // the first is done
	dispatch(0, job.New(welcome{"bob"}))
	same := job.New(welcome{"cid"})
	dispatch(1, same)
	dispatch(1, same) // who repeats a dispatch, not knowing how it ended, has the lock
}

func TestTheLockEndsWithTheJobOrItsTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opt     jobs.Option
		answer  error
		again   time.Duration // how soon after the dispatch another one is queued
		instead func(r *rig)  // of consuming
	}{
		"done":                 {jobs.UniqueFor(time.Hour), nil, time.Minute, nil},
		"skipped":              {jobs.UniqueFor(time.Hour), events.Skip(errDown), time.Minute, nil},
		"failed":               {jobs.UniqueFor(time.Hour), events.Permanent(errDown), time.Minute, nil},
		"lost":                 {jobs.UniqueFor(time.Hour), nil, time.Hour, func(r *rig) { r.queue.messages = nil }},
		"cannot be queued":     {jobs.UniqueFor(time.Hour), nil, 0, nil},
		"started":              {jobs.UniqueUntilStart(time.Hour), errDown, time.Minute, nil},
		"failed after retries": {jobs.UniqueFor(time.Hour), errDown, time.Minute + 2*time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, local := range []bool{false, true} {
				if local && (tc.instead != nil || tc.again == 0) {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					job := jobs.New[int]("job", tc.opt, jobs.Backoff(time.Second))
					started := false
					var r *rig
					r = newRig(t, rigConfig{local: local, handlers: []jobs.Handler{job.Handler(func(ctx context.Context, _ int) error {
						if name == "started" && !started {
							started = true
							must(t, r.Dispatch(ctx, job.New(1)))
							if r.queue.len() != 2 && !local {
								t.Error("not queued while the first runs")
							}
						}
						return tc.answer
					})}})
					start := time.Now()
					if tc.again == 0 {
						r.queue.refuse = func(events.Any) error { return errors.New("throttled") }
						expectError(t, r.Dispatch(t.Context(), job.New(1)), `queueing job "job": throttled`)
						r.queue.refuse = nil
					} else {
						must(t, r.Dispatch(t.Context(), job.New(1, jobs.Delay(time.Minute))))
					}
					queued := func() bool {
						before := r.locked()
						must(t, r.Dispatch(t.Context(), job.New(1)))
						return r.locked() > before
					}
					if tc.again > 0 && queued() {
						t.Fatal("queued twice")
					}
					if tc.instead != nil {
						tc.instead(r)
					}
					go r.consume()
					for !queued() {
						if time.Since(start) > 2*time.Hour {
							t.Fatal("the lock is never released")
						}
						<-time.After(100 * time.Millisecond)
					}
					// The queue rounds up to seconds.
					if took := time.Since(start); took < tc.again || took > tc.again+1500*time.Millisecond {
						t.Errorf("local %v: queued again after %v, want %v", local, took, tc.again)
					}
					<-time.After(3 * time.Hour) // whatever is under way
				})
			}
		})
	}
}

func TestOneOfManyThatDispatchAtOnceGetsTheLock(t *testing.T) {
	t.Parallel()
	job := jobs.New[int]("job", jobs.UniqueFor(time.Hour))
	r := newRig(t, rigConfig{})
	for n := range 20 {
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 16 {
			all.Go(func() {
				<-start
				must(t, r.Dispatch(t.Context(), job.New(n)))
			})
		}
		close(start)
		all.Wait()
		if len(r.queue.sent) != n+1 {
			t.Fatalf("%d jobs queued, want %d", len(r.queue.sent), n+1)
		}
	}
}

// brokenLocks has lost its server.
type brokenLocks struct{}

func (brokenLocks) Lock(context.Context, string, string, time.Duration) (bool, error) {
	return false, errors.New("connection refused")
}

func (brokenLocks) Unlock(context.Context, string, string) error {
	return errors.New("connection refused")
}

func TestWithoutALockNothingIsQueued(t *testing.T) {
	t.Parallel()
	job := jobs.New[int]("job", jobs.UniqueFor(time.Hour))
	r := newRig(t, rigConfig{
		options:  []jobs.DispatcherOption{jobs.WithLocks(brokenLocks{})},
		handlers: []jobs.Handler{job.Handler(func(context.Context, int) error { return nil })},
	})
	for _, err := range []error{r.Dispatch(t.Context(), job.New(1)), awaitError(r.DispatchAsync(t.Context(), job.New(1)))} {
		expectError(t, err, `locking unique job "job": connection refused`)
	}
	if r.queue.len() > 0 {
		t.Error("queued")
	}
	must(t, r.Dispatch(t.Context(), job.New(1, jobs.UniqueFor(0))))
	must(t, r.Run(t.Context(), job.New(1)))
}

func TestAUniqueJobOfThisProcessResolvesItsTwinsFutureAtOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	job := jobs.New[int]("job", jobs.UniqueFor(time.Hour))
	var ran trail
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(context.Context, int) error {
		ran.add("ran")
		<-release
		return nil
	})}})
	first := r.DispatchAsync(t.Context(), job.New(1))
	must(t, awaitError(r.DispatchAsync(t.Context(), job.New(1))))
	close(release)
	must(t, awaitError(first))
	ran.expect(t, "ran")
}

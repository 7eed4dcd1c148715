package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

func TestRunRunsHereAndReturnsTheError(t *testing.T) {
	t.Parallel()
	var ran trail
	fails := jobs.New[int]("fails", jobs.MaxAttempts(3), jobs.Delay(time.Hour))
	r := newRig(t, rigConfig{handlers: []jobs.Handler{
		sendWelcome.Handler(func(ctx context.Context, args welcome) error {
			ran.add("%s %d", args.Email, jobs.Current(ctx).Attempt)
			return nil
		}),
		fails.Handler(func(context.Context, int) error { ran.add("fails"); return errDown }),
	}})
	must(t, r.Run(t.Context(), sendWelcome.New(welcome{"ada"})))
	if err := r.Run(t.Context(), fails.New(1)); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	ran.expect(t, "ada 1", "fails") // once, and not an hour later
	if r.queue.len() > 0 {
		t.Error("something was queued")
	}
	for range r.Failed(t.Context()) {
		t.Error("recorded as failed: the caller has the error")
	}
	expectError(t, r.Run(t.Context(), jobs.New[int]("nobodys").New(1)), `no handler for job "nobodys"`)
	expectError(t, r.Run(t.Context(), sendWelcome.New(welcome{}, jobs.Queue("q"))), "Run takes neither Delay nor Queue")
	expectError(t, r.Run(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(time.Second))), "Run takes neither Delay nor Queue")
	expectError(t, r.Run(t.Context(), jobs.Task{}), "the zero Task is no job")
}

func TestDispatchedJobsAreRetriedAndThenFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		fails := jobs.New[welcome]("fails", jobs.Backoff(10*time.Second, time.Minute))
		r := newRig(t, rigConfig{handlers: []jobs.Handler{fails.Handler(func(ctx context.Context, args welcome) error {
			at = append(at, time.Since(start))
			if n := jobs.Current(ctx).Attempt; n != len(at) || args.Email != "ada" {
				t.Errorf("attempt %d, args %v", n, args)
			}
			return errDown
		})}})
		task := fails.New(welcome{"ada"}, jobs.MaxAttempts(4))
		must(t, r.Dispatch(t.Context(), task))
		r.consume()
		if len(at) != 4 || at[1] != 10*time.Second || at[2] != 70*time.Second || at[3] != 130*time.Second {
			t.Errorf("ran at %v", at)
		}
		if len(r.queue.dead) != 1 || r.queue.dead[0].ID != task.ID() {
			t.Errorf("dead letters: %v", r.queue.dead)
		}
		for job, err := range r.Failed(t.Context()) {
			must(t, err)
			if job.ID != task.ID() || job.Name != "fails" || job.Attempts != 4 || string(job.Args) != `{"email":"ada"}` {
				t.Errorf("recorded %+v", job)
			}
		}
	})
}

func TestDispatchAsyncRetriesInThisProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		start := time.Now()
		flaky := jobs.New[string]("flaky", jobs.Backoff(time.Minute))
		r := newRig(t, rigConfig{handlers: []jobs.Handler{flaky.Handler(func(ctx context.Context, s string) error {
			ran.add("%s %d %v", s, jobs.Current(ctx).Attempt, time.Since(start))
			if jobs.Current(ctx).Attempt < 3 {
				return errDown
			}
			return nil
		})}})
		f := r.DispatchAsync(t.Context(), flaky.New("a", jobs.Delay(time.Hour)))
		if _, err := f.Await(t.Context()); err != nil {
			t.Error(err)
		}
		ran.expect(t, "a 1 1h0m0s", "a 2 1h1m0s", "a 3 1h2m0s")
	})
}

var _ = events.Permanent

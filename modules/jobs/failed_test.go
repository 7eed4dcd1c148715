package jobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

func TestFailedJobsAreRetriedForgottenAndFlushed(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, newRig func(rigConfig) *rig, settle func(*rig)) {
		var ran trail
		down := true
		job := jobs.New[int]("job", jobs.Delay(time.Minute))
		r := newRig(rigConfig{handlers: []jobs.Handler{job.Handler(func(ctx context.Context, n int) error {
			ran.add("%d: %d of %d", n, jobs.Current(ctx).Attempt, jobs.Current(ctx).MaxAttempts)
			if down {
				return events.Permanent(errDown)
			}
			return nil
		})}})
		var ids []string
		for n := range 5 {
			task := job.New(n, jobs.MaxAttempts(n+2))
			ids = append(ids, task.ID())
			must(t, r.Dispatch(t.Context(), task))
			settle(r)
		}
		var listed []string
		for _, f := range r.failed() {
			listed = append(listed, f.ID)
		}
		if !slices.Equal(listed, ids) {
			t.Fatalf("listed %q, want %q", listed, ids)
		}

		down = false
		before, start := len(ran.all()), time.Now()
		must(t, r.Retry(t.Context(), ids[1], ids[0]))
		settle(r)
		if got := ran.all()[before:]; !slices.Equal(got, []string{"1: 1 of 3", "0: 1 of 2"}) && !slices.Equal(got, []string{"0: 1 of 2", "1: 1 of 3"}) {
			t.Errorf("retrying ran %q", got)
		}
		if time.Since(start) > time.Hour { // settle waits so long
			t.Error("the retry was held back for its delay")
		}
		err := r.Retry(t.Context(), ids[0], ids[2])
		if expectError(t, err, "retrying "+ids[0]); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		must(t, r.Forget(t.Context(), ids[3]))
		if err := r.Forget(t.Context(), ids[3]); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if left := r.failed(); len(left) != 1 || left[0].ID != ids[4] {
			t.Errorf("left %+v", left)
		}
		must(t, r.Flush(t.Context()))
		if left := r.failed(); len(left) > 0 {
			t.Errorf("left %+v", left)
		}
		settle(r)
	})
}

// Within five minutes a FIFO queue takes a second message of the same deduplication ID for a double.
func TestARetryIsNoDoubleToAFIFOQueue(t *testing.T) {
	t.Parallel()
	job := jobs.New[int]("job", jobs.Group("g"), jobs.Queue("q.fifo"))
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(context.Context, int) error { return events.Permanent(errDown) })}})
	task := job.New(1)
	must(t, r.Dispatch(t.Context(), task))
	r.consume()
	must(t, r.Retry(t.Context(), task.ID()))
	again := r.queue.sent[1]
	if id := again.Metadata["publish.dedup-id"]; id == "" || id == task.ID() || again.ID != task.ID() {
		t.Errorf("the retry is %s with the deduplication ID %q", again.ID, id)
	}
	if again.Metadata["publish.group"] != "g" || again.Metadata["publish.queue"] != "q.fifo" {
		t.Errorf("published with %v", again.Metadata)
	}
}

func TestARetryThatCannotBeQueuedStaysOnRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
			return events.Permanent(errDown)
		})}})
		task := sendWelcome.New(welcome{"ada"})
		must(t, r.Dispatch(t.Context(), task))
		r.consume()
		r.queue.refuse = func(events.Any) error { return errors.New("throttled") }
		expectError(t, r.Retry(t.Context(), task.ID()), "retrying "+task.ID(), "throttled")
		if len(r.failed()) != 1 {
			t.Error("it is gone")
		}
	})
}

// Of a job that never leaves the process the arguments need not be JSON, but then they cannot be kept either.
func TestArgumentsThatAreNoJSONAreLostWithTheFailure(t *testing.T) {
	t.Parallel()
	job := jobs.New[func()]("job", jobs.MaxAttempts(1))
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(context.Context, func()) error { return errDown })}})
	if err := awaitError(r.DispatchAsync(t.Context(), job.New(func() {}))); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	failed := r.failed()
	if len(failed) != 1 || string(failed[0].Args) != "null" {
		t.Fatalf("recorded %+v", failed)
	}
	expectError(t, errors.New(failed[0].Error), "mail is down (its arguments are lost", "unsupported type")
}

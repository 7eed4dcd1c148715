package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

// imports are jobs for batches: import does one row, and note tells which callback ran.
type imports struct {
	trail
	row      jobs.Job[int]
	note     jobs.Job[string]
	answer   func(ctx context.Context, row, attempt int) error
	handlers []jobs.Handler
}

func newImports() *imports {
	i := &imports{
		row:    jobs.New[int]("row", jobs.MaxAttempts(1)),
		note:   jobs.New[string]("note"),
		answer: func(context.Context, int, int) error { return nil },
	}
	i.handlers = []jobs.Handler{
		i.row.Handler(func(ctx context.Context, n int) error {
			i.add("row %d", n)
			return i.answer(ctx, n, jobs.Current(ctx).Attempt)
		}),
		i.note.Handler(func(_ context.Context, what string) error {
			i.add("%s", what)
			return nil
		}),
	}
	return i
}

func (i *imports) batch(rows int) jobs.Batch {
	b := jobs.Batch{Name: "import", Then: i.note.New("then"), Catch: i.note.New("catch"), Finally: i.note.New("finally")}
	for n := range rows {
		b.Jobs = append(b.Jobs, i.row.New(n))
	}
	return b
}

// expectState compares the counts.
func (r *rig) expectState(id string, done, failed, skipped, pending int, finished bool) {
	r.t.Helper()
	b, err := r.Batch(r.t.Context(), id)
	must(r.t, err)
	if b.Done != done || b.Failed != failed || b.Skipped != skipped || b.Pending() != pending || b.FinishedAt.IsZero() == finished {
		r.t.Errorf("batch stands at %d done, %d failed, %d skipped, %d pending, finished %v; want %d, %d, %d, %d, %v",
			b.Done, b.Failed, b.Skipped, b.Pending(), b.FinishedAt, done, failed, skipped, pending, finished)
	}
}

// bothWays runs a test with jobs on a queue and with jobs of this process. settle lets all of them come to an end.
func bothWays(t *testing.T, test func(t *testing.T, r func(rigConfig) *rig, settle func(*rig))) {
	for name, local := range map[string]bool{"on a queue": false, "in this process": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				test(t,
					func(cfg rigConfig) *rig { cfg.local = local; return newRig(t, cfg) },
					func(r *rig) { r.consume(); <-time.After(time.Hour) })
			})
		})
	}
}

func TestABatchCountsItsJobsAndDispatchesItsCallbacks(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, newRig func(rigConfig) *rig, settle func(*rig)) {
		i := newImports()
		r := newRig(rigConfig{handlers: i.handlers})
		start := time.Now()
		id, err := r.DispatchBatch(t.Context(), i.batch(5))
		must(t, err)
		settle(r)
		r.expectState(id, 5, 0, 0, 0, true)
		if b, _ := r.Batch(t.Context(), id); b.ID != id || b.Name != "import" || b.Total != 5 || !b.CreatedAt.Equal(start) || b.Cancelled {
			t.Errorf("batch %+v", b)
		}
		got := i.all()
		slices.Sort(got)
		if want := []string{"finally", "row 0", "row 1", "row 2", "row 3", "row 4", "then"}; !slices.Equal(got, want) {
			t.Errorf("ran %q", got)
		}
	})
}

func TestFailuresAreCaughtOnceAndMayBeMadeGood(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, newRig func(rigConfig) *rig, settle func(*rig)) {
		i := newImports()
		down := true
		i.answer = func(_ context.Context, row, _ int) error {
			if down && row%2 == 1 {
				return errDown
			}
			return nil
		}
		r := newRig(rigConfig{handlers: i.handlers})
		id, err := r.DispatchBatch(t.Context(), i.batch(5))
		must(t, err)
		settle(r)
		r.expectState(id, 3, 2, 0, 0, true)
		count := func(what string, want int) {
			t.Helper()
			n := 0
			for _, s := range i.all() {
				if s == what {
					n++
				}
			}
			if n != want {
				t.Errorf("%q ran %d times, want %d: %q", what, n, want, i.all())
			}
		}
		count("catch", 1)
		count("finally", 1)
		count("then", 0)

		down = false
		for _, job := range r.failed() {
			must(t, r.Retry(t.Context(), job.ID))
		}
		settle(r)
		r.expectState(id, 5, 0, 0, 0, true)
		count("catch", 1)
		count("finally", 1)
		count("then", 1)
	})
}

func TestWhatHasNotStartedOfACancelledBatchIsSkipped(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, newRig func(rigConfig) *rig, settle func(*rig)) {
		i := newImports()
		var r *rig
		i.answer = func(ctx context.Context, row, _ int) error {
			if row == 2 {
				must(t, r.CancelBatch(ctx, jobs.Current(ctx).Batch))
				return nil
			}
			return nil
		}
		r = newRig(rigConfig{handlers: i.handlers})
		b := i.batch(6)
		for n := range b.Jobs {
			b.Jobs[n] = i.row.New(n, jobs.Delay(time.Duration(n)*time.Minute))
		}
		id, err := r.DispatchBatch(t.Context(), b)
		must(t, err)
		settle(r)
		r.expectState(id, 3, 0, 3, 0, true)
		i.expect(t, "row 0", "row 1", "row 2", "finally")
	})
}

func TestAChainIsOneJobOfItsBatch(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, newRig func(rigConfig) *rig, settle func(*rig)) {
		i := newImports()
		i.answer = func(_ context.Context, row, _ int) error {
			if row == 30 {
				return errDown
			}
			return nil
		}
		r := newRig(rigConfig{handlers: i.handlers})
		id, err := r.DispatchBatch(t.Context(), jobs.Batch{
			Jobs: []jobs.Task{
				jobs.Chain(i.row.New(10), i.row.New(11), i.row.New(12)),
				jobs.Chain(i.row.New(20), i.row.New(21)),
				jobs.Chain(i.row.New(30), i.row.New(31)),
			},
			Catch: jobs.Chain(i.note.New("catch"), i.note.New("then some")),
		})
		must(t, err)
		settle(r)
		r.expectState(id, 2, 1, 0, 0, true)
		got := i.all()
		slices.Sort(got)
		if want := []string{"catch", "row 10", "row 11", "row 12", "row 20", "row 21", "row 30", "then some"}; !slices.Equal(got, want) {
			t.Errorf("ran %q", got)
		}
	})
}

// A crash after the books were written and before the callbacks were queued: the redelivery queues them.
func TestCallbacksAreNotLostToACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newImports()
		r := newRig(t, rigConfig{handlers: i.handlers})
		b := i.batch(2)
		for n := range b.Jobs {
			b.Jobs[n] = i.row.New(n, jobs.MaxAttempts(5))
		}
		id, err := r.DispatchBatch(t.Context(), b)
		must(t, err)
		r.queue.deliver(t.Context(), r.bus)
		r.queue.refuse = func(events.Any) error { return errors.New("throttled") }
		r.queue.deliver(t.Context(), r.bus)
		r.expectState(id, 2, 0, 0, 0, true)
		r.queue.refuse = nil
		r.consume()
		i.expect(t, "row 0", "row 1", "row 1", "then", "finally")
		if b, _ := r.Batch(t.Context(), id); !b.Then.Sent || !b.Finally.Sent || b.Catch.Sent || b.Then.By != b.Finally.By {
			t.Errorf("callbacks %+v %+v %+v", b.Then, b.Catch, b.Finally)
		}
	})
}

// Who repeats a dispatch that failed queues the jobs again and has one set of books.
func TestADispatchThatFailedCanBeRepeated(t *testing.T) {
	t.Parallel()
	i := newImports()
	r := newRig(t, rigConfig{handlers: i.handlers})
	b := i.batch(3)
	b.ID = "import-7"
	n := 0
	r.queue.refuse = func(events.Any) error {
		if n++; n == 3 {
			return errors.New("throttled")
		}
		return nil
	}
	id, err := r.DispatchBatch(t.Context(), b)
	if expectError(t, err, "queueing 3 jobs: throttled"); id != "import-7" {
		t.Errorf("id %q", id)
	}
	r.queue.refuse = nil
	_, err = r.DispatchBatch(t.Context(), b)
	must(t, err)
	r.consume()
	r.expectState(id, 3, 0, 0, 0, true)
	i.expect(t, "row 0", "row 1", "row 2", "then", "finally") // the ledger drops the doubles
}

func TestFaultyBatchesAreRefusedBeforeAnythingIsQueued(t *testing.T) {
	t.Parallel()
	i := newImports()
	r := newRig(t, rigConfig{handlers: i.handlers})
	twice := i.row.New(1)
	unique := i.row.New(1, jobs.UniqueFor(time.Hour))
	for _, tc := range []struct {
		b    jobs.Batch
		want string
	}{
		{jobs.Batch{Name: "b"}, `batch "b" has no jobs`},
		{jobs.Batch{Name: "b", Jobs: []jobs.Task{twice, twice}}, fmt.Sprintf(`batch "b" has the task %s of job "row" twice`, twice.ID())},
		{jobs.Batch{Jobs: []jobs.Task{unique}}, "add UniqueFor(0)"},
		{jobs.Batch{Jobs: []jobs.Task{{}}}, "the zero Task is no job"},
		{jobs.Batch{Jobs: []jobs.Task{twice}, Then: unique}, "add UniqueFor(0)"},
		{jobs.Batch{Jobs: []jobs.Task{twice}, Then: jobs.New[func()]("f").New(nil)}, `arguments of job "f"`},
		{jobs.Batch{Jobs: []jobs.Task{jobs.Chain(twice, jobs.New[func()]("f").New(nil))}}, `arguments of job "f"`},
	} {
		_, err := r.DispatchBatch(t.Context(), tc.b)
		expectError(t, err, tc.want)
	}
	if r.queue.len() > 0 {
		t.Error("something was queued")
	}
	_, err := r.Batch(t.Context(), "nothing")
	if expectError(t, err, "jobs: batch nothing"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := r.CancelBatch(t.Context(), "nothing"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// The books were in the memory of a process that is gone. Its jobs run, and somebody learns of it.
func TestJobsOfABatchThatIsGoneRunWithAWarning(t *testing.T) {
	t.Parallel()
	i := newImports()
	core, logs := observer.New(zap.WarnLevel)
	q := new(queue)
	sender := newRig(t, rigConfig{queue: q})
	_, err := sender.DispatchBatch(t.Context(), i.batch(2))
	must(t, err)
	r := newRig(t, rigConfig{queue: q, handlers: i.handlers, options: []jobs.DispatcherOption{jobs.WithLogger(zap.New(core))}})
	r.consume()
	i.expect(t, "row 0", "row 1")
	if logs.FilterMessageSnippet("batch of a job is not known here").Len() != 2 {
		t.Errorf("logged %v", logs.All())
	}
}

// flakyBatches fails while told so.
type flakyBatches struct {
	jobs.BatchStore
	fail func(call string) error
}

func (f *flakyBatches) Create(ctx context.Context, b jobs.BatchState) error {
	if err := f.fail("create"); err != nil {
		return err
	}
	return f.BatchStore.Create(ctx, b)
}

func (f *flakyBatches) Find(ctx context.Context, id string) (jobs.BatchState, error) {
	if err := f.fail("find"); err != nil {
		return jobs.BatchState{}, err
	}
	return f.BatchStore.Find(ctx, id)
}

func (f *flakyBatches) Update(ctx context.Context, id, item string, change func(*jobs.BatchState, *jobs.ItemState)) (jobs.BatchState, error) {
	if err := f.fail("update"); err != nil {
		return jobs.BatchState{}, err
	}
	return f.BatchStore.Update(ctx, id, item, change)
}

func TestABatchStoreThatIsDownHoldsItsJobsUp(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"find", "update"} {
		bothWays(t, func(t *testing.T, newRig func(rigConfig) *rig, settle func(*rig)) {
			i := newImports()
			store := &flakyBatches{BatchStore: jobs.NewMemoryBatches()}
			errsLeft := 2
			store.fail = func(which string) error {
				if which == call && errsLeft > 0 {
					errsLeft--
					return errors.New("connection refused")
				}
				return nil
			}
			r := newRig(rigConfig{handlers: i.handlers, options: []jobs.DispatcherOption{jobs.WithBatchStore(store)}})
			id, err := r.DispatchBatch(t.Context(), jobs.Batch{Jobs: []jobs.Task{i.row.New(1, jobs.MaxAttempts(5), jobs.Backoff(time.Second))}, Then: i.note.New("then")})
			must(t, err)
			settle(r)
			r.expectState(id, 1, 0, 0, 0, true)
			if all := i.all(); all[len(all)-1] != "then" {
				t.Errorf("ran %q", all)
			}
		})
	}
	i := newImports()
	store := &flakyBatches{BatchStore: jobs.NewMemoryBatches(), fail: func(string) error { return errors.New("connection refused") }}
	r := newRig(t, rigConfig{handlers: i.handlers, options: []jobs.DispatcherOption{jobs.WithBatchStore(store)}})
	_, err := r.DispatchBatch(t.Context(), i.batch(1))
	if expectError(t, err, `keeping batch "import": connection refused`); r.queue.len() > 0 {
		t.Error("queued without books")
	}
}

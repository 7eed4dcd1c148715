package jobs_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

// dice decides what fails, in percent of what can.
type dice struct {
	rt      *rapid.T
	percent int
	can     map[string]bool
}

var errFault = errors.New("fault")

// The kinds of faults.
const (
	handlerFails   = "a handler fails"
	publisherFails = "the publisher fails"
	storeFails     = "a store fails"
	ackIsLost      = "an acknowledgement is lost"
	consumerDies   = "a consumer dies"
)

func (d *dice) fails(what string) bool {
	return d.percent > 0 && d.can[what] && rapid.IntRange(0, 99).Draw(d.rt, what) < d.percent
}

func (d *dice) fault(what string) error {
	if d.fails(what) {
		return errFault
	}
	return nil
}

// faultyFailed fails at random.
type faultyFailed struct {
	jobs.FailedStore
	dice *dice
}

func (f faultyFailed) Add(ctx context.Context, job jobs.FailedJob) error {
	if err := f.dice.fault(storeFails); err != nil {
		return err
	}
	return f.FailedStore.Add(ctx, job)
}

func (f faultyFailed) List(ctx context.Context) iter.Seq2[jobs.FailedJob, error] {
	return f.FailedStore.List(ctx)
}

// Handlers fail, publishing fails, stores fail, acknowledgements are lost, consumers die. In the end, when all
// works again and what failed is retried, each chain has run to its end in order, and the batch's books and
// callbacks are right. On the way no count is ever off.
func TestTheBooksHoldWhateverFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := &dice{rt: rt, percent: rapid.IntRange(0, 50).Draw(rt, "faults"), can: map[string]bool{}}
		for _, what := range []string{handlerFails, publisherFails, storeFails, ackIsLost, consumerDies} {
			d.can[what] = rapid.Bool().Draw(rt, what+" at times")
		}
		work := jobs.New[string]("work", jobs.MaxAttempts(3), jobs.Backoff(0))
		note := jobs.New[string]("note", jobs.MaxAttempts(3), jobs.Backoff(0))
		var done trail // in the order of completion
		handle := func(_ context.Context, what string) error {
			switch {
			case d.fails(handlerFails):
				return errDown
			case d.fails(handlerFails):
				return events.Permanent(errDown)
			}
			done.add("%s", what)
			return nil
		}
		batches := &flakyBatches{BatchStore: jobs.NewMemoryBatches(), fail: func(string) error { return d.fault(storeFails) }}
		cfg := rigConfig{
			queue:    &queue{hasty: true, refuse: func(events.Any) error { return d.fault(publisherFails) }},
			handlers: []jobs.Handler{work.Handler(handle), note.Handler(handle)},
			options:  []jobs.DispatcherOption{jobs.WithBatchStore(batches), jobs.WithFailedStore(faultyFailed{jobs.NewMemoryFailed(), d})},
		}
		if rapid.Bool().Draw(rt, "ledger of another process") {
			cfg.bus = []events.Option{events.WithLedger(forgetful{})}
		}
		r := newRig(t, cfg)
		faults := d.percent
		d.percent = 0

		chain := func(name string) jobs.Task {
			var steps []jobs.Task
			for n := range rapid.IntRange(1, 4).Draw(rt, "steps") {
				steps = append(steps, work.New(name+"."+strconv.Itoa(n)))
			}
			return jobs.Chain(steps[0], steps[1:]...)
		}
		b := jobs.Batch{Then: note.New("then"), Catch: note.New("catch"), Finally: note.New("finally")}
		for n := range rapid.IntRange(1, 5).Draw(rt, "items") {
			b.Jobs = append(b.Jobs, chain("item"+strconv.Itoa(n)))
		}
		id, err := r.DispatchBatch(t.Context(), b)
		must(t, err)
		alone := chain("alone")
		must(t, r.Dispatch(t.Context(), alone))

		d.percent = faults
		everFailed, retrying := false, false
		var before jobs.BatchState
		check := func() jobs.BatchState {
			state, err := batches.BatchStore.Find(t.Context(), id)
			must(t, err)
			recorded := 0
			for _, job := range r.failed() {
				if strings.Contains(job.Envelope, id) {
					recorded++
				}
			}
			switch {
			case state.Done < before.Done, state.Done+state.Failed < before.Done+before.Failed, state.Failed < 0, state.Skipped < 0, state.Pending() < 0,
				state.FinishedAt.IsZero() == (state.Pending() == 0),
				state.Then.By != "" && state.Done < state.Total,
				!retrying && !d.can[publisherFails] && !d.can[storeFails] && !d.can[ackIsLost] && recorded != state.Failed:
				rt.Fatalf("the books are off, with %d failures recorded: %+v after %+v", recorded, state, before)
			}
			everFailed = everFailed || state.Failed > 0
			before = state
			return state
		}
		drain := func() {
			for n := 0; r.queue.len() > 0; n++ {
				if n > 5000 {
					rt.Fatalf("%d messages do not come to an end", r.queue.len())
				}
				m := r.queue.messages[0]
				switch copied := *m; {
				case d.fails(consumerDies):
					m.receives++
				case d.fails(ackIsLost):
					r.queue.deliver(t.Context(), r.bus)
					copied.receives = m.receives
					if !slices.Contains(r.queue.messages, m) {
						r.queue.messages = append(r.queue.messages, &copied)
					}
				default:
					r.queue.deliver(t.Context(), r.bus)
				}
				check()
			}
		}
		cancelled := rapid.IntRange(0, 9).Draw(rt, "cancel") == 0
		if cancelled {
			r.queue.deliver(t.Context(), r.bus)
			d.percent = 0
			must(t, r.CancelBatch(t.Context(), id))
			d.percent = faults
		}
		drain()
		d.percent = 0
		retrying = true
		for failed := r.failed(); len(failed) > 0; failed = r.failed() {
			for _, job := range failed {
				must(t, r.Retry(t.Context(), job.ID))
			}
			drain()
		}

		state := check()
		ran := done.all()
		first := func(what string) int { return slices.Index(ran, what) }
		inOrder := func(name string, task jobs.Task, complete bool) (last int) {
			last = -1
			for n := range 4 {
				at := first(name + "." + strconv.Itoa(n))
				switch {
				case n >= jobs.Steps(task):
					if at >= 0 {
						rt.Fatalf("%s has a step %d", name, n)
					}
				case at < 0 && complete:
					rt.Fatalf("%s stopped before step %d: %q", name, n, ran)
				case at >= 0 && at < last || at >= 0 && n > 0 && last < 0:
					rt.Fatalf("%s ran out of order: %q", name, ran)
				}
				if at >= 0 {
					last = at
				}
			}
			return last
		}
		inOrder("alone", alone, true)
		lastDone := -1
		for n, task := range b.Jobs {
			lastDone = max(lastDone, inOrder("item"+strconv.Itoa(n), task, !cancelled))
		}
		if state.Pending() != 0 || !cancelled && state.Done != state.Total {
			rt.Fatalf("the batch ended as %+v", state)
		}
		if then := first("then"); (then >= 0) != (state.Done == state.Total) || then >= 0 && then < lastDone {
			rt.Fatalf("then ran at %d of %q, batch %+v", then, ran, state)
		}
		if first("finally") < 0 {
			rt.Fatalf("finally did not run: %q", ran)
		}
		if caught := first("catch") >= 0; caught != everFailed {
			rt.Fatalf("caught %v, failed %v: %q", caught, everFailed, ran)
		}
		if faults == 0 || !d.can[handlerFails] && !d.can[publisherFails] && !d.can[storeFails] && !d.can[ackIsLost] && !d.can[consumerDies] {
			for _, what := range ran {
				if n := len(slices.DeleteFunc(slices.Clone(ran), func(s string) bool { return s != what })); n != 1 {
					rt.Fatalf("nothing failed and %s ran %d times", what, n)
				}
			}
		}
	})
}

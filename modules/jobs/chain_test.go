package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

// steps are three jobs whose handlers note that they ran and answer as told.
type steps struct {
	trail
	a, b, c  jobs.Job[string]
	answer   func(job string, attempt int) error
	handlers []jobs.Handler
}

func newSteps(opts ...jobs.Option) *steps {
	s := &steps{answer: func(string, int) error { return nil }}
	step := func(name string) jobs.Job[string] {
		job := jobs.New[string](name, opts...)
		s.handlers = append(s.handlers, job.Handler(func(ctx context.Context, args string) error {
			info := jobs.Current(ctx)
			s.add("%s %s %d", name, args, info.Attempt)
			return s.answer(name, info.Attempt)
		}))
		return job
	}
	s.a, s.b, s.c = step("a"), step("b"), step("c")
	return s
}

func (s *steps) chain() jobs.Task {
	return jobs.Chain(s.a.New("1"), jobs.Chain(s.b.New("2"), s.c.New("3")), s.a.New("4"))
}

func TestAChainRunsInOrderWhereverItWasDispatched(t *testing.T) {
	t.Parallel()
	for name, dispatch := range map[string]func(*rig, jobs.Task) error{
		"on a queue": func(r *rig, task jobs.Task) error {
			err := r.Dispatch(r.t.Context(), task)
			for n := 1; r.queue.len() > 0; n++ {
				if r.queue.len() != 1 {
					r.t.Errorf("%d jobs of a chain in the queue", r.queue.len())
				}
				r.queue.deliver(r.t.Context(), r.bus)
			}
			return err
		},
		"in this process": func(r *rig, task jobs.Task) error { return awaitError(r.DispatchAsync(r.t.Context(), task)) },
		"here":            func(r *rig, task jobs.Task) error { return r.Run(r.t.Context(), task) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSteps()
			r := newRig(t, rigConfig{handlers: s.handlers})
			must(t, dispatch(r, s.chain()))
			s.expect(t, "a 1 1", "b 2 1", "c 3 1", "a 4 1")
		})
	}
}

func TestEachStepOfAChainHasItsOwnOptions(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSteps()
			start := time.Now()
			s.answer = func(job string, attempt int) error {
				s.add("  at %v", time.Since(start))
				if job == "b" && attempt < 3 {
					return errDown
				}
				return nil
			}
			r := newRig(t, rigConfig{local: local, handlers: s.handlers})
			must(t, r.Dispatch(t.Context(), jobs.Chain(
				s.a.New("1", jobs.Delay(time.Hour)),
				s.b.New("2", jobs.Delay(time.Minute), jobs.Backoff(10*time.Second), jobs.Queue("slow"), jobs.Group("g")),
				s.c.New("3"),
			)))
			r.consume()
			<-time.After(2 * time.Hour)
			s.expect(t, "a 1 1", "  at 1h0m0s", "b 2 1", "  at 1h1m0s", "b 2 2", "  at 1h1m10s", "b 2 3", "  at 1h1m20s", "c 3 1", "  at 1h1m20s")
			if local {
				return
			}
			b := r.queue.sent[len(r.queue.sent)-2]
			if b.Metadata["publish.queue"] != "slow" || b.Metadata["publish.group"] != "g" || b.Metadata["publish.delay"] != "1m0s" {
				t.Errorf("b was published with %v", b.Metadata)
			}
		})
	}
}

func TestAFailureEndsTheChainAndRetryingGoesOn(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSteps(jobs.MaxAttempts(2), jobs.Backoff(time.Second))
			down := true
			s.answer = func(job string, _ int) error {
				if job == "b" && down {
					return errDown
				}
				return nil
			}
			r := newRig(t, rigConfig{local: local, handlers: s.handlers})
			must(t, r.Dispatch(t.Context(), s.chain()))
			r.consume()
			<-time.After(time.Minute)
			s.expect(t, "a 1 1", "b 2 1", "b 2 2")
			failed := r.failed()
			if len(failed) != 1 || failed[0].Name != "b" || !strings.Contains(failed[0].Envelope, `"job":"c"`) {
				t.Fatalf("recorded %+v", failed)
			}
			down = false
			must(t, r.Retry(t.Context(), failed[0].ID))
			r.consume()
			<-time.After(time.Minute)
			s.expect(t, "a 1 1", "b 2 1", "b 2 2", "b 2 1", "c 3 1", "a 4 1")
			if len(r.failed()) > 0 {
				t.Error("still recorded")
			}
		})
	}
	s := newSteps()
	s.answer = func(job string, _ int) error {
		if job == "b" {
			return errDown
		}
		return nil
	}
	err := newRig(t, rigConfig{handlers: s.handlers}).Run(t.Context(), s.chain())
	if expectError(t, err, "step 2 of 4 of a chain"); !errors.Is(err, errDown) {
		t.Error("the error is lost")
	}
}

// The next job is in the queue before the finished one is acknowledged, and under the same ID however often.
func TestACrashDoublesAStepAtWorst(t *testing.T) {
	t.Parallel()
	s := newSteps()
	r := newRig(t, rigConfig{handlers: s.handlers, bus: []events.Option{events.WithLedger(forgetful{})}})
	must(t, r.Dispatch(t.Context(), jobs.Chain(s.a.New("1"), s.b.New("2"))))
	first := *r.queue.messages[0]
	r.queue.deliver(t.Context(), r.bus)
	r.queue.messages = append(r.queue.messages, &first) // its acknowledgement was lost
	r.consume()
	s.expect(t, "a 1 1", "a 1 1", "b 2 1", "b 2 1")
	if sent := r.queue.sent; len(sent) != 3 || sent[1].ID != sent[2].ID {
		t.Errorf("b was queued as %v", sent[1:])
	}

	// With a ledger that both share, the second b does not run.
	s = newSteps()
	r = newRig(t, rigConfig{handlers: s.handlers})
	must(t, r.Dispatch(t.Context(), jobs.Chain(s.a.New("1"), s.b.New("2"))))
	first = *r.queue.messages[0]
	r.queue.deliver(t.Context(), r.bus)
	r.queue.messages = append(r.queue.messages, &first)
	r.consume()
	s.expect(t, "a 1 1", "b 2 1")
}

// forgetful is a ledger of another process: it knows of nothing.
type forgetful struct{}

func (forgetful) Finished(context.Context, string, []string) ([]string, error) { return nil, nil }
func (forgetful) Run(ctx context.Context, _, _ string, fn func(context.Context) error) (bool, error) {
	return true, fn(ctx)
}

// While the next job cannot be queued the finished one is not acknowledged, though a ledger would have it so.
func TestAChainIsNotLostWhileTheQueueIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		r := newRig(t, rigConfig{handlers: s.handlers})
		must(t, r.Dispatch(t.Context(), jobs.Chain(s.a.New("1"), s.b.New("2"))))
		r.queue.refuse = func(events.Any) error { return errors.New("throttled") }
		r.queue.deliver(t.Context(), r.bus)
		r.queue.refuse = nil
		r.consume()
		s.expect(t, "a 1 1", "a 1 2", "b 2 1")
	})
}

func TestAChainFromAQueueIsNotLeftToTheMemoryOfAProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		q := new(queue)
		sender := newRig(t, rigConfig{queue: q})
		consumer := newRig(t, rigConfig{local: true, queue: q, handlers: s.handlers})
		must(t, sender.Dispatch(t.Context(), jobs.Chain(s.a.New("1"), s.b.New("2"))))
		consumer.consume()
		s.expect(t, "a 1 1", "a 1 2", "a 1 3")
		if failed := consumer.failed(); len(failed) != 1 || !strings.Contains(failed[0].Error, "events.PublishVia[*sqs.Publisher]()") {
			t.Errorf("recorded %+v", failed)
		}
		if len(q.dead) != 1 {
			t.Errorf("dead letters: %v", q.dead)
		}
	})
}

// A step that no process handles yet waits in the queue; in this process it is refused before anything runs.
func TestAChainNeedsItsHandlersOnlyWhereItRuns(t *testing.T) {
	t.Parallel()
	s := newSteps()
	elsewhere := jobs.New[int]("elsewhere")
	r := newRig(t, rigConfig{handlers: s.handlers})
	task := jobs.Chain(s.a.New("1"), elsewhere.New(2))
	if err := awaitError(r.DispatchAsync(t.Context(), task)); !errors.Is(err, jobs.ErrNoHandler) {
		t.Errorf("got %v", err)
	}
	s.expect(t)
	must(t, r.Dispatch(t.Context(), task))
	r.queue.deliver(t.Context(), r.bus)
	s.expect(t, "a 1 1")
	if e := r.queue.sent[1]; e.Name != "job.elsewhere" || fmt.Sprint(e.ID) == task.ID() {
		t.Errorf("queued %+v", e)
	}
}

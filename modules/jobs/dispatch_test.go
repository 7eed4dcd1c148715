package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

func TestRunRunsHereOnceAndReturnsTheError(t *testing.T) {
	t.Parallel()
	var ran trail
	fails := jobs.New[int]("fails", jobs.MaxAttempts(3), jobs.Delay(time.Hour), jobs.Queue("q"))
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
	ran.expect(t, "ada 1", "fails") // defaults hold nothing back
	if r.queue.len() > 0 || len(r.failed()) > 0 {
		t.Errorf("queued %d, recorded %v: the caller has the error", r.queue.len(), r.failed())
	}
	err := r.Run(t.Context(), jobs.New[int]("nobodys").New(1))
	if expectError(t, err, `no handler for job "nobodys"`); !errors.Is(err, jobs.ErrNoHandler) {
		t.Error("not ErrNoHandler")
	}
	expectError(t, r.Run(t.Context(), sendWelcome.New(welcome{}, jobs.Queue("q"))), "Run takes neither Delay nor Queue")
	expectError(t, r.Run(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(time.Second))), "Run takes neither Delay nor Queue")
	expectError(t, r.Run(t.Context(), jobs.Task{}), "the zero Task is no job")
}

func TestARunInsideAnotherAttemptCountsForItself(t *testing.T) {
	t.Parallel()
	inner := jobs.New[int]("inner", jobs.MaxAttempts(1))
	var r *rig
	var ran trail
	outer := sendWelcome.Handler(func(ctx context.Context, _ welcome) error {
		ran.add("outer %d", jobs.Current(ctx).Attempt)
		return errors.Join(r.Run(ctx, inner.New(1)), r.Dispatch(ctx, inner.New(2)))
	})
	r = newRig(t, rigConfig{handlers: []jobs.Handler{outer, inner.Handler(func(ctx context.Context, n int) error {
		ran.add("inner %d %d", n, jobs.Current(ctx).Attempt)
		return nil
	})}})
	must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{})))
	r.queue.messages[0].receives = 1 // so it is the second now
	r.consume()
	ran.expect(t, "outer 2", "inner 1 1", "inner 2 1")
	if jobs.Current(t.Context()) != (jobs.Info{}) {
		t.Error("there is a job outside of a handler")
	}
}

func TestDispatchTellsThePublisherWhereAndWhen(t *testing.T) {
	t.Parallel()
	job := jobs.New[int]("job", jobs.Queue("slow"), jobs.Group("all"), jobs.Delay(time.Minute))
	r := newRig(t, rigConfig{})
	must(t, r.Dispatch(t.Context()))
	must(t, r.Dispatch(t.Context(), job.New(1), job.New(2, jobs.Queue("fast"), jobs.Group("ada"), jobs.Delay(20*time.Minute)), jobs.New[int]("bare").New(3)))
	if len(r.queue.sent) != 3 {
		t.Fatalf("sent %d jobs", len(r.queue.sent))
	}
	for i, want := range []map[string]string{
		{"publish.queue": "slow", "publish.group": "all", "publish.delay": "1m0s"},
		{"publish.queue": "fast", "publish.group": "ada", "publish.delay": "15m0s"},
		{},
	} {
		e := r.queue.sent[i]
		for _, key := range []string{"publish.queue", "publish.group", "publish.delay", "publish.dedup-id"} {
			if got := e.Metadata[key]; got != want[key] && (key != "publish.delay" || !near(got, want[key])) {
				t.Errorf("job %d: %s is %q, want %q", i+1, key, got, want[key])
			}
		}
	}
	if e := r.queue.sent[2]; e.Name != "job.bare" || e.ID == "" || e.Source != "jobs" || e.Metadata != nil {
		t.Errorf("a job without options travels as %+v", e)
	}
}

// near bears the time that passes between dispatching and publishing.
func near(got, want string) bool {
	g, err1 := time.ParseDuration(got)
	w, err2 := time.ParseDuration(want)
	return err1 == nil && err2 == nil && g <= w && g > w-10*time.Second
}

func TestOptionsOfADispatchTravelAndWinOverTheHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Two releases that disagree about the defaults.
		dispatched := jobs.New[int]("job", jobs.MaxAttempts(7), jobs.Backoff(time.Hour))
		handled := jobs.New[int]("job", jobs.MaxAttempts(2), jobs.Backoff(time.Minute))
		var ran trail
		start := time.Now()
		r := newRig(t, rigConfig{handlers: []jobs.Handler{handled.Handler(func(ctx context.Context, n int) error {
			ran.add("%d at %v of %d", n, time.Since(start), jobs.Current(ctx).MaxAttempts)
			return errDown
		})}})
		must(t, r.Dispatch(t.Context(), dispatched.New(1)))
		r.consume()
		must(t, r.Dispatch(t.Context(), dispatched.New(2, jobs.MaxAttempts(3), jobs.Backoff(time.Second, 2*time.Second))))
		r.consume()
		ran.expect(t, "1 at 0s of 2", "1 at 1m0s of 2", "2 at 1m0s of 3", "2 at 1m1s of 3", "2 at 1m3s of 3")
	})
}

func TestFaultyJobsAndOptionsAreNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigConfig{})
	for _, tc := range []struct {
		task jobs.Task
		want string
	}{
		{jobs.New[int]("").New(1), `job "": event name "": empty`},
		{jobs.New[int]("a.b").New(1), `job "a.b": a name has no dots`},
		{jobs.New[int]("a*").New(1), `wildcards belong in patterns`},
		{jobs.New[int]("a", jobs.MaxAttempts(0)).New(1), "option MaxAttempts is 0: use 1 or more"},
		{jobs.New[int]("a").New(1, jobs.MaxAttempts(-2)), "option MaxAttempts is -2"},
		{jobs.New[int]("a").New(1, jobs.Timeout(0)), "option Timeout is 0s: it must be positive"},
		{jobs.New[int]("a").New(1, jobs.Backoff()), "option Backoff is empty"},
		{jobs.New[int]("a").New(1, jobs.Backoff(1, -1)), "option Backoff is -1ns"},
		{jobs.New[int]("a").New(1, jobs.ExponentialBackoff(0, 1)), "option ExponentialBackoff is 0s to 1ns"},
		{jobs.New[int]("a").New(1, jobs.ExponentialBackoff(2, 1)), "option ExponentialBackoff is 2ns to 1ns"},
		{jobs.New[int]("a").New(1, jobs.Delay(-1)), "option Delay is -1ns"},
		{jobs.New[int]("a").New(1, jobs.Queue("")), "option Queue"},
		{jobs.New[int]("a").New(1, jobs.Group("")), "option Group"},
		{jobs.New[int]("a").New(1, jobs.UniqueFor(-1)), "option UniqueFor is -1ns"},
		{jobs.New[int]("a").New(1, jobs.UniqueUntilStart(-1)), "option UniqueUntilStart is -1ns"},
		{jobs.New[int]("a").New(1, jobs.UniqueKey("")), "option UniqueKey"},
		{jobs.New[func()]("a").New(func() {}, jobs.UniqueFor(1)), "give it a UniqueKey"},
		{jobs.Chain(jobs.New[int]("a").New(1), jobs.New[int]("b").New(1, jobs.Timeout(-1))), `job "b": option Timeout`},
		{jobs.Chain(jobs.New[int]("a").New(1), jobs.New[int]("b").New(1, jobs.UniqueFor(1))), `add UniqueFor(0)`},
		{jobs.Chain(jobs.New[int]("a").New(1), jobs.New[func()]("b").New(nil)), `arguments of job "b"`},
		{jobs.Chain(jobs.New[int]("a").New(1), jobs.Task{}), "the zero Task is no job"},
		{jobs.Job[int]{}.New(1), "the zero Task is no job"},
	} {
		for _, err := range []error{r.Dispatch(t.Context(), sendWelcome.New(welcome{}), tc.task), awaitError(r.DispatchAsync(t.Context(), tc.task))} {
			expectError(t, err, tc.want)
		}
	}
	if r.queue.len() > 0 {
		t.Errorf("%d jobs were queued beside faulty ones", r.queue.len())
	}
	var noJob jobs.Job[int]
	if got := noJob.Name() + (jobs.Task{}).Name(); got != "" {
		t.Errorf("names of nothing: %q", got)
	}
	_, err := r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}, jobs.Queue("q"))).Await(t.Context())
	expectError(t, err, "DispatchAsync takes no Queue")
}

func awaitError(f *goroutine.Future[struct{}]) error {
	_, err := f.Await(context.Background())
	return err
}

func TestFaultyHandlersFailTheStartAllAtOnce(t *testing.T) {
	t.Parallel()
	fine := func(context.Context, int) error { return nil }
	twin := jobs.New[int]("twin")
	d, err := jobs.NewDispatcher(jobs.Config{Require: []string{"twin", "missing"}}, newRig(t, rigConfig{}).pool, events.NewRelay())
	must(t, err)
	_, err = d.Listeners(jobs.Handler{}, twin.Handler(fine), twin.Handler(fine), jobs.New[int]("nil").Handler(nil),
		jobs.New[int]("faulty", jobs.Timeout(-1)).Handler(fine), jobs.Job[int]{}.Handler(fine))
	expectError(t, err, "handler 1 of 6 is empty", `job "twin" has two handlers`, `job "nil": its handler is nil`,
		`job "faulty": option Timeout`, "handler 6 of 6 is empty", `job "missing" of Config.Require has no handler`)
	if strings.Contains(err.Error(), `"twin" of Config.Require`) {
		t.Errorf("%v: twin has one", err)
	}
	_, err = d.Listeners()
	expectError(t, err, "has made its listeners already")
}

// A new release dispatches a job that the old one has no handler for. A listener on all events must not make
// the message count as handled.
func TestAJobWithoutHandlerStaysInTheQueueWhoeverElseListens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		audit := events.On("**", "audit", func(_ context.Context, e events.Any) error { ran.add("audit %s", e.Name); return nil })
		q := &queue{redrive: 3}
		old := newRig(t, rigConfig{queue: q, listeners: []events.Listener{audit}})
		newer := newRig(t, rigConfig{queue: q, handlers: []jobs.Handler{
			sendWelcome.Handler(func(context.Context, welcome) error { ran.add("welcome"); return nil }),
		}})
		must(t, newer.Dispatch(t.Context(), sendWelcome.New(welcome{})))
		q.deliver(t.Context(), old.bus)
		if q.len() != 1 {
			t.Fatal("the old release has lost the job")
		}
		newer.consume()
		ran.expect(t, "audit job.send-welcome", "welcome")
		if len(q.dead) > 0 {
			t.Error("dead-lettered")
		}
	})
}

func TestWithoutABusJobsOfThisProcessAreRefused(t *testing.T) {
	t.Parallel()
	d, err := jobs.NewDispatcher(jobs.Config{}, newRig(t, rigConfig{}).pool, events.NewRelay())
	must(t, err)
	_, err = d.Listeners(sendWelcome.Handler(func(context.Context, welcome) error { return nil }))
	must(t, err)
	if err := d.Run(t.Context(), sendWelcome.New(welcome{})); !errors.Is(err, jobs.ErrUnbound) {
		t.Errorf("got %v", err)
	}
	if err := awaitError(d.DispatchAsync(t.Context(), sendWelcome.New(welcome{}))); !errors.Is(err, jobs.ErrUnbound) {
		t.Errorf("got %v", err)
	}
	if err := d.Dispatch(t.Context(), sendWelcome.New(welcome{})); !errors.Is(err, events.ErrUnbound) {
		t.Errorf("got %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := jobs.NewDispatcher(jobs.Config{MaxAttempts: -2, ShutdownTimeout: -5}, nil, nil)
	expectError(t, err, "jobs.Config.MaxAttempts is -2", "jobs.Config.ShutdownTimeout is -5ns", "pool is nil", "publisher is nil")
}

// The caller goes on using its arguments while the job waits.
func TestArgumentsAreCopied(t *testing.T) {
	t.Parallel()
	job := jobs.New[map[string]int]("job")
	got := make(chan int, 1)
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(_ context.Context, m map[string]int) error {
		got <- m["n"]
		return nil
	})}})
	args := map[string]int{"n": 1}
	task := job.New(args)
	args["n"] = 2
	must(t, awaitError(r.DispatchAsync(t.Context(), task)))
	if n := <-got; n != 1 {
		t.Errorf("the handler saw %d", n)
	}
}

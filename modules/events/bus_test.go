package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

func nothing(context.Context, events.Event[user]) error { return nil }

// trail records what listeners saw, in the order they saw it.
type trail struct {
	mu   sync.Mutex
	seen []string
}

func (r *trail) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
}

func (r *trail) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func TestDispatchRunsEachListenerOnceWithTheTypedEvent(t *testing.T) {
	t.Parallel()
	var seen trail
	on := func(pattern, name string) events.Listener {
		return events.On(pattern, name, func(_ context.Context, e events.Event[user]) error {
			seen.add(name + " " + e.Name + " " + e.Data.Email + " " + e.ID)
			return nil
		})
	}
	bus := newBus(t, []events.Listener{
		on("user.*", "one-segment"), on("user.**", "tail"), on("**", "all"), on("user.deleted", "other"), on("*", "short"),
		userCreated.Listener("exact", func(_ context.Context, e events.Event[user]) error {
			seen.add("exact " + e.Name + " " + e.Data.Email + " " + e.ID)
			return nil
		}),
	})
	e := userCreated.New(user{Email: "a@example.org"})
	if err := bus.Dispatch(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := seen.all()
	slices.Sort(got)
	var want []string
	for _, name := range []string{"all", "exact", "one-segment", "tail"} {
		want = append(want, name+" user.created a@example.org "+e.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listeners saw %q, want %q", got, want)
	}
}

func TestDispatchJoinsErrorsThatNameTheListener(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	var ran atomic.Int32
	bus := newBus(t, []events.Listener{
		userCreated.Listener("fine", func(context.Context, events.Event[user]) error { ran.Add(1); return nil }),
		userCreated.Listener("broken", func(context.Context, events.Event[user]) error { ran.Add(1); return boom }),
		userCreated.Listener("panics", func(context.Context, events.Event[user]) error { ran.Add(1); panic("ouch") }),
		userCreated.Listener("skips", func(context.Context, events.Event[user]) error {
			ran.Add(1)
			return events.Skip(errors.New("not mine"))
		}),
	})
	err := bus.Dispatch(t.Context(), userCreated.New(user{}))
	if ran.Load() != 4 {
		t.Errorf("%d listeners ran, want all 4", ran.Load())
	}
	if !errors.Is(err, boom) {
		t.Errorf("%v does not hold the listener's error", err)
	}
	failed, ok := errors.AsType[*events.ListenerError](err)
	if !ok || failed.Listener != "broken" || failed.Event != "user.created" {
		t.Errorf("first failure is %+v", failed)
	}
	if _, ok := errors.AsType[*goroutine.PanicError](err); !ok || !strings.Contains(err.Error(), `listener "panics"`) {
		t.Errorf("the panic is not reported: %v", err)
	}
	if strings.Contains(err.Error(), "skips") {
		t.Errorf("a skip is no failure: %v", err)
	}
}

func TestFaultyListenersFailTheStartAllAtOnce(t *testing.T) {
	t.Parallel()
	var typedNil *byHand
	other := events.NewTopic[int]("user.created")
	_, err := events.NewBus(events.Config{ShutdownTimeout: -5}, nil, []events.Listener{
		nil,
		typedNil,
		userCreated.Listener("", nothing),
		userCreated.Listener("twin", nothing),
		userCreated.Listener("twin", nothing),
		userCreated.Listener("no-handler", nil),
		events.On("user.**.x", "bad-pattern", nothing),
		events.NewTopic[user]("").Listener("no-topic", nothing),
		events.NewTopic[user]("user.*").Listener("wild-topic", nothing),
		other.Listener("other-type", func(context.Context, events.Event[int]) error { return nil }),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"pool is nil", "ShutdownTimeout is -5ns: a duration cannot be negative",
		"listener 1 of 10 is nil", "listener 2 of 10 is nil",
		`listener on "user.created" has no name`,
		`listener "twin": the name is taken`,
		`listener "no-handler" has no handler`,
		`listener "bad-pattern": pattern "user.**.x"`,
		`listener "no-topic": pattern "": empty`,
		`listener "wild-topic": topic "user.*" is not an event name`,
		`topic "user.created" has two payload types: events_test.user in listener "twin", int in listener "other-type"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestDispatchRefusesNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	bus := newBus(t, []events.Listener{events.On("**", "all", func(context.Context, events.Event[any]) error {
		t.Error("the listener ran")
		return nil
	})})
	for _, name := range []string{"", "a..b", "user.*"} {
		e := events.NewTopic[user](name).New(user{})
		if err := bus.Dispatch(t.Context(), e); err == nil {
			t.Errorf("dispatching %q: no error", name)
		}
		if got := bus.Deliver(t.Context(), e).Disposition().Action; got != events.DeadLetter {
			t.Errorf("delivering %q: %s, want dead_letter", name, got)
		}
	}
}

func TestEventWithoutListener(t *testing.T) {
	t.Parallel()
	bus := newBus(t, nil)
	e := userCreated.New(user{})
	if err := bus.Dispatch(t.Context(), e); err != nil {
		t.Errorf("dispatch: %v", err)
	}
	o := bus.Deliver(t.Context(), e)
	d := o.Disposition()
	if !o.NoListener || d.Action != events.Retry || d.Reason != `no listener for event "user.created"` {
		t.Errorf("outcome %+v, disposition %+v", o, d)
	}
}

func TestDispositionFollowsFromAllListeners(t *testing.T) {
	t.Parallel()
	plain := errors.New("down")
	for _, tc := range []struct {
		name   string
		errs   []error
		action events.Action
		after  time.Duration
		reason string
	}{
		{name: "all done", errs: []error{nil, nil}, action: events.Ack},
		{name: "skip counts as done", errs: []error{nil, events.Skip(plain)}, action: events.Ack},
		{name: "plain error", errs: []error{nil, plain}, action: events.Retry, reason: `listener "l1": error: down`},
		{name: "permanent", errs: []error{events.Permanent(plain), nil}, action: events.DeadLetter, reason: `listener "l0": permanent: down`},
		{name: "permanent beside retryable", errs: []error{events.Permanent(plain), plain}, action: events.Retry, reason: `listener "l1": error: down`},
		{name: "permanent beside skip", errs: []error{events.Permanent(plain), events.Skip(plain)}, action: events.DeadLetter, reason: `listener "l0": permanent: down`},
		{
			name: "shortest delay", errs: []error{events.RetryAfter(plain, time.Minute), plain, events.RetryAfter(plain, time.Second)},
			action: events.Retry, after: time.Second, reason: `listener "l2": error: down`,
		},
		{
			name: "permanent wins over the delay it wraps", errs: []error{events.Permanent(events.RetryAfter(plain, time.Second))},
			action: events.DeadLetter, reason: `listener "l0": permanent: down`,
		},
		{
			name: "wrapped marks count", errs: []error{fmt.Errorf("charging: %w", events.Permanent(plain))},
			action: events.DeadLetter, reason: `listener "l0": permanent: charging: down`,
		},
		{
			name: "wrong payload", errs: []error{events.Permanent(&events.PayloadError{Event: "e", Got: "nothing"})},
			action: events.DeadLetter, reason: `listener "l0": invalid: event "e": wants <nil>, got nothing`,
		},
		{name: "time-out", errs: []error{context.DeadlineExceeded}, action: events.Retry, reason: `listener "l0": timeout: context deadline exceeded`},
		{name: "called off", errs: []error{context.Canceled}, action: events.Retry, reason: `listener "l0": canceled: context canceled`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var listeners []events.Listener
			for i, err := range tc.errs {
				listeners = append(listeners, userCreated.Listener(fmt.Sprintf("l%d", i),
					func(context.Context, events.Event[user]) error { return err }))
			}
			got := newBus(t, listeners).Deliver(t.Context(), userCreated.New(user{})).Disposition()
			if want := (events.Disposition{Action: tc.action, After: tc.after, Reason: tc.reason}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// One listener is called in place, without the pool: nothing else may differ.
func TestOneListenerAlone(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tc := range []struct {
		name  string
		do    func() error
		class events.Class
	}{
		{"done", func() error { return nil }, events.ClassNone},
		{"fails", func() error { return boom }, events.ClassError},
		{"panics", func() error { panic(boom) }, events.ClassPanic},
		{"panics with a marked error", func() error { panic(events.Permanent(boom)) }, events.ClassPanic},
		{"marks a panic", func() error { return events.Permanent(&goroutine.PanicError{Value: boom}) }, events.ClassPermanent},
	} {
		bus := newBus(t, []events.Listener{userCreated.Listener("l", func(context.Context, events.Event[user]) error { return tc.do() })})
		for range 2 { // the second finds what the first has left
			e := userCreated.New(user{})
			if err := bus.Dispatch(t.Context(), e); errors.Is(err, boom) != (tc.class != events.ClassNone) {
				t.Errorf("%s: dispatch: %v", tc.name, err)
			}
			o := bus.Deliver(t.Context(), e)
			if r := o.Results[0]; r.Class != tc.class || tc.class == events.ClassNone && r.Status != events.StatusDone {
				t.Errorf("%s: %+v", tc.name, r)
			}
		}
	}
}

func TestACancelledContextStartsNoListener(t *testing.T) {
	t.Parallel()
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	for n := 1; n <= 2; n++ {
		var listeners []events.Listener
		for i := range n {
			listeners = append(listeners, userCreated.Listener(fmt.Sprint(i), func(context.Context, events.Event[user]) error {
				t.Error("a listener ran")
				return nil
			}))
		}
		o := newBus(t, listeners).Deliver(ctx, userCreated.New(user{}))
		if !errors.Is(o.Err(), lost) || o.Disposition().Action != events.Retry {
			t.Errorf("%d listeners: %v, %+v", n, o.Err(), o.Disposition())
		}
	}
}

func TestStagesRunInOrderAndAFailureEndsThem(t *testing.T) {
	t.Parallel()
	var seen trail
	fail := errors.New("no stock")
	listen := func(name string, stage int, err error) events.Listener {
		return userCreated.Listener(name, func(context.Context, events.Event[user]) error {
			seen.add(name)
			return err
		}, events.Order(stage))
	}
	bus := newBus(t, []events.Listener{listen("last", 9, nil), listen("middle", 5, fail), listen("first", -1, nil)})
	o := bus.Deliver(t.Context(), userCreated.New(user{}))
	if got := seen.all(); !slices.Equal(got, []string{"first", "middle"}) {
		t.Errorf("ran %q", got)
	}
	var states []string
	for _, r := range o.Results {
		states = append(states, r.Listener+" "+string(r.Status))
	}
	if want := []string{"first done", "middle failed", "last not_run"}; !slices.Equal(states, want) {
		t.Errorf("results %q, want %q", states, want)
	}
	if !errors.Is(o.Err(), fail) || o.Disposition().Action != events.Retry {
		t.Errorf("outcome %+v", o)
	}
}

// byHand implements Listener without help.
type byHand struct{ handle func(events.Any) error }

func (*byHand) Name() string                                   { return "by-hand" }
func (*byHand) Pattern() string                                { return "user.*" }
func (b *byHand) Handle(_ context.Context, e events.Any) error { return b.handle(e) }
func middlewareOf(seen *trail, name string) events.Middleware {
	return func(l events.Listener, next events.Handler) events.Handler {
		return func(ctx context.Context, e events.Any) error {
			seen.add(name + " around " + l.Name())
			return next(ctx, e)
		}
	}
}

func TestHandMadeListenersTakeOptionsThroughWith(t *testing.T) {
	t.Parallel()
	var seen trail
	l := events.With(&byHand{handle: func(e events.Any) error {
		typed, err := events.As[user](e)
		seen.add(typed.Data.Email)
		return err
	}}, events.Order(3), events.Use(middlewareOf(&seen, "own"), middlewareOf(&seen, "inner")))
	before := userCreated.Listener("before", func(context.Context, events.Event[user]) error {
		seen.add("before")
		return nil
	}, events.Order(2))
	bus := newBus(t, []events.Listener{l, before}, events.WithMiddleware(middlewareOf(&seen, "global")))
	if err := bus.Dispatch(t.Context(), userCreated.New(user{Email: "x"})); err != nil {
		t.Fatal(err)
	}
	want := []string{"global around before", "before", "global around by-hand", "own around by-hand", "inner around by-hand", "x"}
	if got := seen.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListenersMayPublishThroughTheRelay(t *testing.T) {
	t.Parallel()
	relay := events.NewRelay()
	if err := relay.Publish(t.Context(), userCreated.New(user{})); !errors.Is(err, events.ErrUnbound) {
		t.Errorf("unbound relay answers %v", err)
	}
	var seen trail
	welcomed := events.NewTopic[string]("user.welcomed")
	pool := startPool(t, goroutine.Config{MaxWorkers: 1})
	_, err := events.NewBus(events.Config{}, pool, []events.Listener{
		userCreated.Listener("welcome", func(ctx context.Context, e events.Event[user]) error {
			return relay.Publish(ctx, welcomed.New(e.Data.Email), welcomed.New("again"))
		}),
		welcomed.Listener("count", func(_ context.Context, e events.Event[string]) error {
			seen.add(e.Data)
			return nil
		}),
	}, events.WithRelay(relay))
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Publish(t.Context(), userCreated.New(user{Email: "a"})); err != nil {
		t.Fatal(err)
	}
	if got := seen.all(); !slices.Equal(got, []string{"a", "again"}) {
		t.Errorf("saw %q", got)
	}
}

func TestRelayIsBoundOnce(t *testing.T) {
	t.Parallel()
	relay := events.NewRelay()
	if relay.Target() != nil {
		t.Errorf("an unbound relay passes events to %T", relay.Target())
	}
	bus := newBus(t, nil, events.WithRelay(relay))
	if relay.Target() != events.Publisher(bus) {
		t.Errorf("events go to %T, want the bus", relay.Target())
	}
	if err := relay.Bind(nil); err == nil {
		t.Error("bound to nil")
	}
	if err := relay.Bind(relay); err == nil {
		t.Error("bound to itself")
	}
	if err := relay.Bind(bus); err != nil {
		t.Error(err)
	}
	expectError(t, relay.Bind(bus), "it is bound to *events.Bus")
}

func TestDispatchAsyncOutlivesTheCallerAndKeepsItsValues(t *testing.T) {
	t.Parallel()
	type key struct{}
	started, gone := make(chan struct{}), make(chan struct{})
	bus := newBus(t, []events.Listener{userCreated.Listener("slow", func(ctx context.Context, e events.Event[user]) error {
		close(started)
		<-gone
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ctx.Value(key{}) != "value" || e.Data.Tags[0] != "before" {
			return fmt.Errorf("value %v, data %v", ctx.Value(key{}), e.Data)
		}
		return nil
	})})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	data := user{Tags: []string{"before"}}
	future := bus.DispatchAsync(ctx, userCreated.New(data))
	data.Tags[0] = "after"
	<-started
	cancel()
	close(gone)
	o, err := future.Await(t.Context())
	if err != nil || len(o.Results) != 1 || o.Results[0].Status != events.StatusDone {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestAsyncFailuresAreLogged(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	bus := newBus(t, []events.Listener{userCreated.Listener("broken", func(context.Context, events.Event[user]) error {
		return errors.New("boom")
	})}, events.WithLogger(zap.New(core)))
	if _, err := bus.DispatchAsync(t.Context(), userCreated.New(user{})).Await(t.Context()); err == nil {
		t.Error("the future has no error")
	}
	if n := logs.FilterMessage("asynchronous dispatch failed").Len(); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

func TestStopWaitsForAsynchronousWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finished := false
		bus := newBus(t, []events.Listener{userCreated.Listener("slow", func(ctx context.Context, _ events.Event[user]) error {
			select {
			case <-time.After(900 * time.Millisecond):
				finished = true
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})})
		future := bus.DispatchAsync(t.Context(), userCreated.New(user{}))
		if err := bus.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err, ok := future.Poll(); !ok || err != nil || !finished {
			t.Errorf("stopped before the work was done: %v %v", err, ok)
		}
		if _, err := bus.DispatchAsync(t.Context(), userCreated.New(user{})).Await(t.Context()); !errors.Is(err, events.ErrStopped) {
			t.Errorf("dispatch after stop: %v", err)
		}
	})
}

func TestStopReportsWhatItLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := make(chan error, 1)
		bus := newBus(t, []events.Listener{userCreated.Listener("endless", func(ctx context.Context, _ events.Event[user]) error {
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		})})
		e := userCreated.New(user{})
		bus.DispatchAsync(t.Context(), e)
		began := time.Now()
		err := bus.Stop(t.Context())
		if took := time.Since(began); took != time.Second {
			t.Errorf("stop took %v, want the default of 1s", took)
		}
		unfinished, ok := errors.AsType[*events.UnfinishedError](err)
		if !ok || len(unfinished.Dispatches) != 1 {
			t.Fatalf("stop: %v", err)
		}
		if d := unfinished.Dispatches[0]; d.EventID != e.ID || d.Event != "user.created" || d.Age != time.Second {
			t.Errorf("left %+v", d)
		}
		if got := <-cause; !errors.Is(got, events.ErrStopped) {
			t.Errorf("the listener was cancelled with %v", got)
		}
		synctest.Wait()
		if err := bus.Stop(t.Context()); err != nil {
			t.Errorf("second stop: %v", err)
		}
	})
}

func TestStopObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus := newBus(t, []events.Listener{userCreated.Listener("endless", func(ctx context.Context, _ events.Event[user]) error {
			<-ctx.Done()
			return ctx.Err()
		})})
		bus.DispatchAsync(t.Context(), userCreated.New(user{}))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := bus.Stop(ctx); !errors.Is(err, events.ErrStopped) || time.Since(began) != 10*time.Millisecond {
			t.Errorf("stop: %v after %v", err, time.Since(began))
		}
		synctest.Wait()
	})
}

func TestStopWithoutStartDoesNothing(t *testing.T) {
	t.Parallel()
	bus := newBus(t, nil)
	for range 2 {
		if err := bus.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A fallback listener is for names that nobody spells out, and what it refuses counts as unheard though
// other wildcards select it.
func TestAFallbackRefusesWhatNobodySpellsOut(t *testing.T) {
	t.Parallel()
	var seen trail
	note := func(name string, err error) func(context.Context, events.Any) error {
		return func(_ context.Context, e events.Any) error {
			seen.add(name + " " + e.Name)
			return err
		}
	}
	broken := errors.New("broken")
	bus := newBus(t, []events.Listener{
		events.On("job.known", "known", note("known", nil)),
		events.On("job.*", "unknown", note("unknown", events.ErrNoListener), events.Fallback()),
		events.On("job.exact", "exact-fallback", note("exact-fallback", nil), events.Fallback()),
		events.On("**", "audit", func(_ context.Context, e events.Any) error {
			if e.Name == "job.broken" {
				return broken
			}
			return nil
		}),
	})
	for _, tc := range []struct {
		event, saw string
		unheard    bool
		action     events.Action
	}{
		{"job.known", "known job.known", false, events.Ack},
		{"job.other", "unknown job.other", true, events.Retry},
		{"job.exact", "exact-fallback job.exact", false, events.Ack},
		{"job.broken", "unknown job.broken", false, events.Retry}, // another failure is not hidden
		{"user.created", "", false, events.Ack},
	} {
		before := len(seen.all())
		o := bus.Deliver(t.Context(), events.Any{ID: tc.event, Name: tc.event})
		if got := strings.Join(seen.all()[before:], ", "); got != tc.saw {
			t.Errorf("%s: ran %q, want %q", tc.event, got, tc.saw)
		}
		if o.NoListener != tc.unheard || o.Disposition().Action != tc.action {
			t.Errorf("%s: no listener %v, %+v; want %v, %v", tc.event, o.NoListener, o.Disposition(), tc.unheard, tc.action)
		}
	}
	if err := bus.Dispatch(t.Context(), events.Any{ID: "2", Name: "job.other"}); !errors.Is(err, events.ErrNoListener) {
		t.Errorf("dispatched in this process: %v", err)
	}
}

func TestListenersSeeWhichDeliveryItIs(t *testing.T) {
	t.Parallel()
	var seen []int
	bus := newBus(t, []events.Listener{userCreated.Listener("l", func(ctx context.Context, _ events.Event[user]) error {
		seen = append(seen, events.Attempt(ctx))
		return errors.New("again")
	})})
	e := userCreated.New(user{})
	for n := range 3 {
		bus.Deliver(events.WithAttempt(t.Context(), n+1), e)
	}
	if err := bus.Dispatch(t.Context(), e); err == nil {
		t.Error("no error")
	}
	if !slices.Equal(seen, []int{1, 2, 3, 0}) {
		t.Errorf("saw %v", seen)
	}
}

// What was sent again need not come back for the others: they see the copy, and the ledger knows who has
// finished.
func TestAnEventThatWasSentAgainIsDoneWith(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	later := true
	var seen trail
	bus := newBus(t, []events.Listener{
		userCreated.Listener("later", func(context.Context, events.Event[user]) error {
			seen.add("later")
			if later {
				return events.Resent(errors.New("not due"))
			}
			return nil
		}),
		userCreated.Listener("broken", func(context.Context, events.Event[user]) error { seen.add("broken"); return broken }, events.Order(1)),
		userCreated.Listener("fine", func(context.Context, events.Event[user]) error { seen.add("fine"); return nil }, events.Order(-1)),
	})
	e := userCreated.New(user{})
	o := bus.Deliver(t.Context(), e)
	if d := o.Disposition(); d.Action != events.Ack || !errors.Is(o.Err(), broken) {
		t.Errorf("%+v, %v", d, o.Err())
	}
	later = false
	if d := bus.Deliver(t.Context(), e).Disposition(); d.Action != events.Retry {
		t.Errorf("the copy: %+v", d)
	}
	if got := seen.all(); !slices.Equal(got, []string{"fine", "later", "broken", "later", "broken"}) {
		t.Errorf("ran %q", got)
	}
	if err := events.Resent(broken); !events.IsSkip(err) || !errors.Is(err, broken) || events.Resent(nil) != nil {
		t.Errorf("%v", err)
	}
}

func TestSkipsAreToldApart(t *testing.T) {
	t.Parallel()
	skip := events.Skip(errors.New("not mine"))
	if !events.IsSkip(fmt.Errorf("wrapped: %w", skip)) || events.IsSkip(errors.New("no")) || events.IsSkip(nil) || events.Skip(nil) != nil {
		t.Error("skips and other errors are mixed up")
	}
}

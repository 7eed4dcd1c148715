package events_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

var errDown = errors.New("down")

// sequence returns a listener that answers with errs in turn, then nil.
func sequence(runs *int, errs []error, opts ...events.ListenerOption) events.Listener {
	return userCreated.Listener("l", func(context.Context, events.Event[user]) error {
		*runs++
		if *runs <= len(errs) {
			return errs[*runs-1]
		}
		return nil
	}, opts...)
}

func TestTimeoutCancelsTheListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus := newBus(t, []events.Listener{
			userCreated.Listener("slow", func(ctx context.Context, _ events.Event[user]) error {
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), events.ErrTimeout) {
					t.Errorf("cause is %v", context.Cause(ctx))
				}
				return ctx.Err()
			}, events.Timeout(time.Second)),
			userCreated.Listener("just in time", func(ctx context.Context, _ events.Event[user]) error {
				<-ctx.Done()
				return nil
			}, events.Timeout(time.Second)),
			userCreated.Listener("other reason", func(ctx context.Context, _ events.Event[user]) error {
				<-ctx.Done()
				return events.Permanent(errDown)
			}, events.Timeout(time.Second)),
		})
		began := time.Now()
		o := bus.Deliver(t.Context(), userCreated.New(user{}))
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		byName := make(map[string]events.ListenerResult)
		for _, r := range o.Results {
			byName[r.Listener] = r
		}
		slow := byName["slow"]
		if slow.Class != events.ClassTimeout || !errors.Is(slow.Err, events.ErrTimeout) || slow.Duration != time.Second {
			t.Errorf("slow: %+v", slow)
		}
		if got := byName["just in time"]; got.Status != events.StatusDone {
			t.Errorf("just in time: %+v", got)
		}
		if got := byName["other reason"]; got.Class != events.ClassPermanent {
			t.Errorf("other reason: %+v", got)
		}
	})
}

func TestRetriesWithinOneDelivery(t *testing.T) {
	t.Parallel()
	policy := goroutine.RetryPolicy{MaxAttempts: 3, Delay: time.Second, MaxDelay: 10 * time.Second, DisableJitter: true}
	skip := events.Skip(errDown)
	for _, tc := range []struct {
		name   string
		errs   []error
		runs   int
		took   time.Duration
		status events.Status
		class  events.Class
		after  time.Duration
	}{
		{"mended", []error{errDown, errDown}, 3, 3 * time.Second, events.StatusDone, "", 0},
		{"given up", []error{errDown, errDown, errDown}, 3, 3 * time.Second, events.StatusFailed, events.ClassError, 0},
		{"permanent", []error{events.Permanent(errDown)}, 1, 0, events.StatusFailed, events.ClassPermanent, 0},
		{"skip", []error{errDown, skip}, 2, time.Second, events.StatusSkipped, "", 0},
		{"short delay", []error{events.RetryAfter(errDown, 5*time.Second)}, 2, 5 * time.Second, events.StatusDone, "", 0},
		{"long delay", []error{events.RetryAfter(errDown, time.Hour)}, 1, 0, events.StatusFailed, events.ClassError, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				bus := newBus(t, []events.Listener{sequence(&runs, tc.errs, events.Retries(policy))})
				began := time.Now()
				r := bus.Deliver(t.Context(), userCreated.New(user{})).Results[0]
				if runs != tc.runs || time.Since(began) != tc.took || r.Status != tc.status || r.Class != tc.class || r.RetryAfter != tc.after {
					t.Errorf("%d runs in %v: %+v", runs, time.Since(began), r)
				}
			})
		})
	}
}

func TestEachRetrySeesTheEventAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus := newBus(t, []events.Listener{userCreated.Listener("l", func(_ context.Context, e events.Event[user]) error {
			if e.Data.Tags[0] != "fresh" {
				return events.Permanent(errors.New("the attempt before left its marks"))
			}
			e.Data.Tags[0] = "used"
			return errDown
		}, events.Retries(goroutine.RetryPolicy{MaxAttempts: 3}))})
		err := bus.Dispatch(t.Context(), userCreated.New(user{Tags: []string{"fresh"}}))
		if !errors.Is(err, errDown) || goroutine.IsPermanent(err) {
			t.Error(err)
		}
	})
}

func TestBreakerRefusesAndTellsWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		errs := []error{events.Permanent(errDown), events.Skip(errDown), errDown, errDown}
		bus := newBus(t, []events.Listener{sequence(&runs, errs,
			events.Breaker(goroutine.BreakerConfig{Failures: 2, OpenFor: time.Minute}), events.Retries(goroutine.RetryPolicy{MaxAttempts: 1}))})
		deliver := func() events.Outcome { return bus.Deliver(t.Context(), userCreated.New(user{})) }
		for range 4 { // final errors and skips are no failures of the dependency
			deliver()
		}
		o := deliver()
		d := o.Disposition()
		if runs != 4 || !errors.Is(o.Err(), goroutine.ErrBreakerOpen) || d.Action != events.Retry || d.After <= 0 || d.After > time.Minute {
			t.Fatalf("%d runs, %+v, %v", runs, d, o.Err())
		}
		if err := bus.Dispatch(t.Context(), userCreated.New(user{})); !errors.Is(err, goroutine.ErrBreakerOpen) {
			t.Errorf("dispatch has a breaker of its own: %v", err)
		}
		time.Sleep(d.After + 1) //nolint:forbidigo // the bubble's clock, not the wall's
		if d := deliver().Disposition(); d.Action != events.Ack || runs != 5 {
			t.Errorf("the probe: %+v", d)
		}
	})
}

func TestConcurrencyHoldsForDeliveriesAndDispatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var inside, most atomic.Int32
		bus, err := events.NewBus(events.Config{}, startPool(t, goroutine.Config{MaxWorkers: 16}), []events.Listener{
			userCreated.Listener("l", func(ctx context.Context, _ events.Event[user]) error {
				n := inside.Add(1)
				defer inside.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
				return nil
			}, events.Concurrency(3)),
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var futures []*goroutine.Future[events.Outcome]
		for range 9 {
			futures = append(futures, bus.DispatchAsync(t.Context(), userCreated.New(user{})))
		}
		for _, f := range futures {
			if _, err := f.Await(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 3*time.Second || most.Load() != 3 {
			t.Errorf("%d at once, in %v", most.Load(), took)
		}
	})
}

func TestWaitingForAFreeSlotEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		bus := newBus(t, []events.Listener{userCreated.Listener("l", func(context.Context, events.Event[user]) error {
			<-leave
			return nil
		}, events.Concurrency(1))})
		first := bus.DispatchAsync(t.Context(), userCreated.New(user{}))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if o := bus.Deliver(ctx, userCreated.New(user{})); !errors.Is(o.Err(), context.DeadlineExceeded) {
			t.Error(o.Err())
		}
		close(leave)
		if _, err := first.Await(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAListenerDoesNotWaitForItself(t *testing.T) {
	t.Parallel()
	relay := events.NewRelay()
	depth := 0
	newBus(t, []events.Listener{userCreated.Listener("l", func(ctx context.Context, e events.Event[user]) error {
		if depth++; depth < 5 {
			return relay.Publish(ctx, userCreated.New(e.Data))
		}
		return nil
	}, events.Concurrency(1))}, events.WithRelay(relay))
	if err := relay.Publish(t.Context(), userCreated.New(user{})); err != nil || depth != 5 {
		t.Errorf("depth %d, %v", depth, err)
	}
}

func TestFaultyOptionsFailTheStart(t *testing.T) {
	t.Parallel()
	type unknownTag struct {
		A string `validate:"no-such-rule"`
	}
	for want, l := range map[string]events.Listener{
		"option Timeout is 0s":           userCreated.Listener("l", nothing, events.Timeout(0)),
		"option Concurrency is -1":       userCreated.Listener("l", nothing, events.Concurrency(-1)),
		"RetryPolicy.MaxAttempts is -7":  userCreated.Listener("l", nothing, events.Retries(goroutine.RetryPolicy{MaxAttempts: -7})),
		"BreakerConfig.Failures is -7":   userCreated.Listener("l", nothing, events.Breaker(goroutine.BreakerConfig{Failures: -7})),
		"payload string is no struct":    events.On("n", "l", func(context.Context, events.Event[string]) error { return nil }, events.Validate()),
		"Undefined validation function":  events.On("n", "l", func(context.Context, events.Event[unknownTag]) error { return nil }, events.Validate()),
		"payload int is no struct":       events.With(events.On("n", "l", func(context.Context, events.Event[int]) error { return nil }), events.Validate()),
		"only listeners made with On or": events.With(&byHand{}, events.Validate()),
	} {
		_, err := events.NewBus(events.Config{}, startPool(t, goroutine.Config{}), []events.Listener{l})
		expectError(t, err, want)
	}
}

type signup struct {
	Email   string   `json:"email" validate:"required,email"`
	Age     int      `json:"age" validate:"gte=18"`
	Address *address `json:"address" validate:"required"`
}

type address struct {
	Zip string `json:"zip_code" validate:"len=5"`
}

func TestInvalidPayloadsNeverReachTheListener(t *testing.T) {
	t.Parallel()
	ran := 0
	handle := func(context.Context, events.Event[signup]) error { ran++; return nil }
	bus := newBus(t, []events.Listener{events.On("signup", "l", handle, events.Validate(), events.Retries(goroutine.RetryPolicy{}))})
	wire := func(body string) events.Any {
		return events.Any{ID: body, Name: "signup", Data: events.NewPayload([]byte(body))}
	}
	o := bus.Deliver(t.Context(), wire(`{"email":"secret","age":7,"address":{"zip_code":"1"}}`))
	invalid, ok := errors.AsType[*events.InvalidError](o.Err())
	if !ok || o.Disposition().Action != events.DeadLetter || o.Results[0].Class != events.ClassInvalid {
		t.Fatalf("%+v", o)
	}
	want := []events.InvalidField{{Path: "email", Rule: "email"}, {Path: "age", Rule: "gte=18"}, {Path: "address.zip_code", Rule: "len=5"}}
	if !slices.Equal(invalid.Fields, want) || strings.Contains(invalid.Error(), "secret") {
		t.Errorf("%+v, %v", invalid.Fields, invalid)
	}
	if ran != 0 {
		t.Error("the listener ran")
	}
	if o := bus.Deliver(t.Context(), wire(`{"email":"a@example.org","age":18,"address":{"zip_code":"12345"}}`)); o.Err() != nil || ran != 1 {
		t.Errorf("%v, ran %d times", o.Err(), ran)
	}
	lists := events.On("signups", "lists", func(context.Context, events.Event[[]signup]) error { return nil }, events.Validate())
	pointers := events.On("signup", "pointers", func(context.Context, events.Event[*signup]) error { return nil }, events.Validate())
	later := events.With(events.On("later", "later", handle), events.Validate())
	bus = newBus(t, []events.Listener{lists, pointers, later})
	for name, data := range map[string]any{"signups": []signup{{}}, "signup": (*signup)(nil), "later": signup{}} {
		o := bus.Deliver(t.Context(), events.Any{ID: "1", Name: name, Data: data})
		if _, ok := errors.AsType[*events.InvalidError](o.Err()); !ok {
			t.Errorf("%s: %v", name, o.Err())
		}
	}
}

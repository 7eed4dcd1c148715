package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/events/eventstest"
	"github.com/fxpond/fxpond/modules/goroutine"
)

func TestMemoryLedger(t *testing.T) {
	t.Parallel()
	eventstest.Ledger(t, func(*testing.T) events.Ledger { return events.NewMemoryLedger(0) })
}

func TestMemoryLedgerForgetsTheOldest(t *testing.T) {
	t.Parallel()
	ledger := events.NewMemoryLedger(10)
	for i := range 1000 {
		ran, err := ledger.Run(t.Context(), fmt.Sprint(i), "a", func(context.Context) error { return nil })
		if !ran || err != nil {
			t.Fatal(ran, err)
		}
		if want := min(i+1, 10); ledger.Len() != want {
			t.Fatalf("%d events remembered, want %d", ledger.Len(), want)
		}
	}
	for id, want := range map[string]int{"989": 0, "990": 1, "999": 1} {
		if done, err := ledger.Finished(t.Context(), id, []string{"a"}); err != nil || len(done) != want {
			t.Errorf("event %s finished by %q, %v", id, done, err)
		}
	}
	// Forgotten while it runs: the mark is made anew.
	_, err := ledger.Run(t.Context(), "long", "a", func(context.Context) error {
		for i := range 10 {
			if _, err := ledger.Run(t.Context(), fmt.Sprint("x", i), "a", func(context.Context) error { return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if done, _ := ledger.Finished(t.Context(), "long", []string{"a"}); err != nil || len(done) != 1 {
		t.Errorf("finished by %q, %v", done, err)
	}
}

func states(o events.Outcome) []string {
	var all []string
	for _, r := range o.Results {
		all = append(all, r.Listener+" "+string(r.Status))
	}
	return all
}

func TestRedeliveryRunsOnlyWhatHasNotFinished(t *testing.T) {
	t.Parallel()
	var seen trail
	var fault error
	listen := func(name string, err func() error) events.Listener {
		return userCreated.Listener(name, func(context.Context, events.Event[user]) error {
			seen.add(name)
			return err()
		})
	}
	bus := newBus(t, []events.Listener{
		listen("done", func() error { return nil }),
		listen("skips", func() error { return events.Skip(errors.New("not mine")) }),
		listen("final", func() error { return events.Permanent(errors.New("bad")) }),
		listen("flaky", func() error { return fault }),
	})
	e := userCreated.New(user{})
	for i, step := range []struct {
		fault  error
		states []string
		action events.Action
	}{
		{errors.New("down"), []string{"done done", "final failed", "flaky failed", "skips skipped"}, events.Retry},
		{errors.New("down"), []string{"final failed", "flaky failed", "done already_done", "skips already_done"}, events.Retry},
		{nil, []string{"final failed", "flaky done", "done already_done", "skips already_done"}, events.DeadLetter},
		// Redriven from the dead-letter queue: only the final failure is left.
		{nil, []string{"final failed", "done already_done", "flaky already_done", "skips already_done"}, events.DeadLetter},
	} {
		fault = step.fault
		o := bus.Deliver(t.Context(), e)
		if got := states(o); !slices.Equal(got, step.states) || o.Disposition().Action != step.action {
			t.Errorf("delivery %d: %q, %+v", i+1, got, o.Disposition())
		}
	}
	counts := make(map[string]int)
	for _, name := range seen.all() {
		counts[name]++
	}
	if counts["done"] != 1 || counts["skips"] != 1 || counts["flaky"] != 3 || counts["final"] != 4 {
		t.Errorf("runs: %v", counts)
	}
	// Dispatch in-process is not a redelivery.
	if err := bus.Dispatch(t.Context(), e); err == nil {
		t.Error("dispatch asked the ledger")
	}
	// Without an ID there is nothing to know the event by.
	e.ID = ""
	for range 2 {
		if got := states(bus.Deliver(t.Context(), e)); !slices.Contains(got, "done done") {
			t.Errorf("without ID: %q", got)
		}
	}
}

func TestStagesResumeWhereTheyFailed(t *testing.T) {
	t.Parallel()
	var seen trail
	fault := errors.New("down")
	listen := func(name string, stage int) events.Listener {
		return userCreated.Listener(name, func(context.Context, events.Event[user]) error {
			seen.add(name)
			if name == "second" {
				return fault
			}
			return nil
		}, events.Order(stage))
	}
	bus := newBus(t, []events.Listener{listen("first", 1), listen("second", 2), listen("third", 3)})
	e := userCreated.New(user{})
	bus.Deliver(t.Context(), e)
	fault = nil
	o := bus.Deliver(t.Context(), e)
	if got := seen.all(); !slices.Equal(got, []string{"first", "second", "second", "third"}) || o.Disposition().Action != events.Ack {
		t.Errorf("ran %q, %+v", got, o.Disposition())
	}
}

// brokenLedger does not answer, or does not take marks.
type brokenLedger struct{ finished, run error }

func (b brokenLedger) Finished(context.Context, string, []string) ([]string, error) {
	return nil, b.finished
}

func (b brokenLedger) Run(ctx context.Context, _, _ string, fn func(context.Context) error) (bool, error) {
	if err := fn(ctx); err != nil {
		return true, err
	}
	return true, b.run
}

func TestAFailingLedgerMeansRetry(t *testing.T) {
	t.Parallel()
	ran := 0
	listeners := []events.Listener{userCreated.Listener("l", func(context.Context, events.Event[user]) error {
		ran++
		return nil
	})}
	down := errors.New("database is down")
	for name, ledger := range map[string]brokenLedger{"asked": {finished: down}, "marking": {run: down}} {
		ran = 0
		o := newBus(t, listeners, events.WithLedger(ledger)).Deliver(t.Context(), userCreated.New(user{}))
		if d := o.Disposition(); d.Action != events.Retry || !errors.Is(o.Err(), down) {
			t.Errorf("%s: %+v, %v", name, d, o.Err())
		}
		if want := map[string]int{"asked": 0, "marking": 1}[name]; ran != want {
			t.Errorf("%s: the listener ran %d times", name, ran)
		}
	}
}

func TestTheLedgerCanBeOff(t *testing.T) {
	t.Parallel()
	ran := 0
	bus, err := events.NewBus(events.Config{LedgerSize: -1}, startPool(t, goroutine.Config{}), []events.Listener{
		userCreated.Listener("l", func(context.Context, events.Event[user]) error { ran++; return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	e := userCreated.New(user{})
	bus.Deliver(t.Context(), e)
	bus.Deliver(t.Context(), e)
	if ran != 2 {
		t.Errorf("ran %d times", ran)
	}
}

func TestATwinDeliveryComesBackLater(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	bus := newBus(t, []events.Listener{userCreated.Listener("slow", func(context.Context, events.Event[user]) error {
		close(entered)
		<-leave
		return nil
	}, events.Retries(goroutine.RetryPolicy{}))})
	e := userCreated.New(user{})
	first := bus.DispatchAsync(t.Context(), e)
	<-entered
	o := bus.Deliver(t.Context(), e)
	if d := o.Disposition(); d.Action != events.Retry || d.After <= 0 || !errors.Is(o.Err(), events.ErrInProgress) {
		t.Errorf("twin: %+v, %v", d, o.Err())
	}
	close(leave)
	if _, err := first.Await(t.Context()); err != nil {
		t.Error(err)
	}
}

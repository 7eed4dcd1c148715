package events_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/events/eventstest"
	"github.com/fxpond/fxpond/modules/goroutine"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	eventstest.Store(t, func(*testing.T) events.Store { return events.NewMemoryStore(0) })
}

func TestMemoryStoreDropsTheOldest(t *testing.T) {
	t.Parallel()
	store := events.NewMemoryStore(10)
	for i := range 100 {
		e := userCreated.New(user{}, events.WithID(fmt.Sprint(i)))
		if err := store.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for r, err := range store.Read(t.Context(), events.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Event.ID)
	}
	if len(ids) != 10 || ids[0] != "90" || ids[9] != "99" {
		t.Errorf("kept %q", ids)
	}
	// What was dropped can be appended again, and old cursors read on.
	if err := store.Append(t.Context(), userCreated.New(user{}, events.WithID("0"))); err != nil {
		t.Fatal(err)
	}
	for r, err := range store.Read(t.Context(), events.Query{After: "5", Limit: 1}) {
		if err != nil || r.Event.ID != "91" {
			t.Errorf("after a dropped position: %q, %v", r.Event.ID, err)
		}
	}
}

func recordingBus(t *testing.T, listeners []events.Listener, patterns ...string) *events.Bus {
	t.Helper()
	bus, err := events.NewBus(events.Config{Record: patterns}, startPool(t, goroutine.Config{}), listeners)
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

func TestEventsAreRecordedBeforeTheirListenersRun(t *testing.T) {
	t.Parallel()
	var bus *events.Bus
	bus = recordingBus(t, []events.Listener{userCreated.Listener("l", func(ctx context.Context, e events.Event[user]) error {
		for _, err := range bus.Store().Read(ctx, events.Query{ID: e.ID}) {
			return err
		}
		return errors.New("not recorded yet")
	})}, "user.*")
	e := userCreated.New(user{Email: "a"})
	if err := bus.Dispatch(t.Context(), e); err != nil {
		t.Error(err)
	}
	bus.Deliver(t.Context(), e)
	bus.Deliver(t.Context(), events.NewTopic[int]("order.placed").New(1))
	if err := bus.Dispatch(t.Context(), events.Any{Name: "user.unnamed"}); err != nil {
		t.Error(err)
	}
	var names []string
	for r, err := range bus.Store().Read(t.Context(), events.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Event.Name)
	}
	if !slices.Equal(names, []string{"user.created", "user.unnamed"}) {
		t.Errorf("recorded %q", names)
	}
}

// brokenStore fails.
type brokenStore struct{ err error }

func (b brokenStore) Append(context.Context, ...events.Any) error { return b.err }
func (b brokenStore) Read(context.Context, events.Query) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) { yield(events.Recorded{}, b.err) }
}

func TestWhatCannotBeRecordedIsNotDelivered(t *testing.T) {
	t.Parallel()
	down := errors.New("disk is full")
	bus, err := events.NewBus(events.Config{Record: []string{"**"}}, startPool(t, goroutine.Config{}), []events.Listener{
		userCreated.Listener("l", func(context.Context, events.Event[user]) error {
			t.Error("the listener ran")
			return nil
		}),
	}, events.WithStore(brokenStore{down}))
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Dispatch(t.Context(), userCreated.New(user{})); !errors.Is(err, down) {
		t.Errorf("dispatch: %v", err)
	}
	o := bus.Deliver(t.Context(), userCreated.New(user{}))
	if d := o.Disposition(); d.Action != events.Retry || !errors.Is(o.Err(), down) {
		t.Errorf("deliver: %+v, %v", d, o.Err())
	}
	if _, err := bus.Replay(t.Context(), bus.Store(), events.Replay{Listeners: []string{"l"}}); !errors.Is(err, down) {
		t.Errorf("replay: %v", err)
	}
}

func TestReplayRunsTheChosenListenersOnly(t *testing.T) {
	t.Parallel()
	var seen trail
	failOn := ""
	listen := func(name, pattern string) events.Listener {
		return events.On(pattern, name, func(_ context.Context, e events.Event[user]) error {
			if e.Metadata[events.MetadataReplay] != "true" {
				return nil // the first delivery
			}
			seen.add(name + " " + e.Data.Email)
			if e.Data.Email == failOn {
				return errors.New("boom")
			}
			return nil
		})
	}
	bus := recordingBus(t, []events.Listener{listen("projection", "user.*"), listen("mail", "user.*"), listen("audit", "user.deleted")}, "**")
	for _, email := range []string{"a", "b", "c"} {
		bus.Deliver(t.Context(), userCreated.New(user{Email: email}))
	}
	bus.Deliver(t.Context(), events.NewTopic[user]("user.deleted").New(user{Email: "d"}))

	report, err := bus.Replay(t.Context(), bus.Store(), events.Replay{Listeners: []string{"projection", "projection"}})
	if err != nil || report.Read != 4 || report.Handled != 4 || report.Ignored != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := seen.all(); !slices.Equal(got, []string{"projection a", "projection b", "projection c", "projection d"}) {
		t.Errorf("ran %q", got)
	}
	report, err = bus.Replay(t.Context(), bus.Store(), events.Replay{Listeners: []string{"audit"}})
	if err != nil || report.Read != 4 || report.Handled != 1 || report.Ignored != 3 {
		t.Errorf("%+v, %v", report, err)
	}

	failOn = "b"
	report, err = bus.Replay(t.Context(), bus.Store(), events.Replay{Listeners: []string{"mail"}})
	if err == nil || report.Read != 2 || report.Handled != 1 || report.Failed != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	failOn = "" // mended: go on where it ended
	report, err = bus.Replay(t.Context(), bus.Store(), events.Replay{Query: events.Query{After: report.Next}, Listeners: []string{"mail"}})
	if err != nil || report.Read != 3 || report.Handled != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	failOn = "c"
	report, err = bus.Replay(t.Context(), bus.Store(), events.Replay{Query: events.Query{Pattern: "user.created"}, Listeners: []string{"mail"}, KeepGoing: true})
	if err == nil || report.Read != 3 || report.Handled != 2 || report.Failed != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	for _, names := range [][]string{nil, {"nobody"}} {
		if _, err := bus.Replay(t.Context(), bus.Store(), events.Replay{Listeners: names}); err == nil {
			t.Errorf("replayed into %q", names)
		}
	}
}

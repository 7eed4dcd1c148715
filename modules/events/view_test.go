package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
)

// numbered is copied by assignment, as labelled is: both may go the short way.
type numbered struct {
	N    int
	Text string
}

type labelled struct{ Label string }

// Dispatched events share what carries them with those before and beside them,
// and go different ways into listeners of different kinds. Each listener sees
// each event once, whole, whatever else is under way.
func TestConcurrentDispatchesKeepTheirEventsApart(t *testing.T) {
	t.Parallel()
	const rounds = 200
	var (
		numberedTopic = events.NewTopic[numbered]("numbered.done")
		labelledTopic = events.NewTopic[labelled]("labelled.done")
		seen          trail // listener and event
		wrong         = errors.New("not the event that was dispatched")
	)
	check := func(listener, id, text string, whole bool) error {
		if !whole || text != "text "+id {
			return fmt.Errorf("%s of %s: %q: %w", listener, id, text, wrong)
		}
		seen.add(listener + " " + id)
		return nil
	}
	onNumbered := func(name string) func(context.Context, events.Event[numbered]) error {
		return func(_ context.Context, e events.Event[numbered]) error {
			whole := strconv.Itoa(e.Data.N) == e.ID && e.Name == "numbered.done" && e.Source == "s"+e.ID
			if e.Data.N%5 == 0 {
				whole = whole && e.Metadata["k"] == e.ID
				e.Metadata["k"] = name // in its own copy
			}
			return check(name, e.ID, e.Data.Text, whole)
		}
	}
	bus := newBus(t, []events.Listener{
		numberedTopic.Listener("a", onNumbered("a")),
		numberedTopic.Listener("b", onNumbered("b")),
		events.On("numbered.*", "c", onNumbered("c")),
		numberedTopic.Listener("later", onNumbered("later"), events.Order(1)),
		numberedTopic.Listener("later-too", onNumbered("later-too"), events.Order(1)),
		numberedTopic.Listener("wrapped", onNumbered("wrapped"), events.Use(func(_ events.Listener, next events.Handler) events.Handler { return next })),
		labelledTopic.Listener("label", func(_ context.Context, e events.Event[labelled]) error {
			return check("label", e.ID, e.Data.Label, e.Name == "labelled.done")
		}),
		events.On("**", "json", func(_ context.Context, e events.Event[json.RawMessage]) error {
			if !strings.Contains(string(e.Data), "text "+e.ID+`"`) {
				return fmt.Errorf("json of %s: %s: %w", e.ID, e.Data, wrong)
			}
			return check("json", e.ID, "text "+e.ID, e.Source == "s"+e.ID)
		}),
	})
	dispatch := func(i int) error {
		id := strconv.Itoa(i)
		options := []events.EventOption{events.WithID(id), events.WithSource("s" + id)}
		if i%5 == 0 { // metadata bars the short way
			options = append(options, events.WithMetadata("k", id))
		}
		if i%3 == 0 {
			return bus.Dispatch(t.Context(), labelledTopic.New(labelled{"text " + id}, options...))
		}
		return bus.Dispatch(t.Context(), numberedTopic.New(numbered{i, "text " + id}, options...))
	}
	const dispatchers = 4
	var all sync.WaitGroup
	for d := range dispatchers {
		all.Go(func() {
			for i := d * rounds; i < (d+1)*rounds; i++ {
				if err := dispatch(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	deliveries := seen.all()
	slices.Sort(deliveries)
	if once := slices.Compact(slices.Clone(deliveries)); len(once) != len(deliveries) {
		t.Errorf("%d deliveries, %d different ones", len(deliveries), len(once))
	}
	labels := 0
	for i := range dispatchers * rounds {
		if i%3 == 0 {
			labels++
		}
	}
	if want := labels*2 + (dispatchers*rounds-labels)*7; len(deliveries) != want {
		t.Errorf("%d deliveries, want %d", len(deliveries), want)
	}
}

func TestAListenerOfAnotherTypeIsTold(t *testing.T) {
	t.Parallel()
	topic := events.NewTopic[numbered]("numbered.done")
	fits := 0
	bus := newBus(t, []events.Listener{
		topic.Listener("fits", func(_ context.Context, e events.Event[numbered]) error { fits += e.Data.N; return nil }),
		events.On("numbered.*", "other", func(context.Context, events.Event[labelled]) error {
			t.Error("it ran")
			return nil
		}),
	})
	for range 2 { // the second run is one that has been used
		err := bus.Dispatch(t.Context(), topic.New(numbered{N: 1}))
		wrong, ok := errors.AsType[*events.PayloadError](err)
		if !ok || wrong.Listener != "other" {
			t.Errorf("dispatch: %v", err)
		}
	}
	// A pointer to the payload is not the payload itself, but will do.
	if err := bus.Dispatch(t.Context(), events.Any{ID: "1", Name: "numbered.done", Data: &numbered{N: 40}}); err == nil {
		t.Error("no error")
	}
	if fits != 42 {
		t.Errorf("the listener that fits saw %d, want 42", fits)
	}
}

func TestResultsOfLaterStagesStandBesideTheirListeners(t *testing.T) {
	t.Parallel()
	for _, dispatched := range []bool{false, true} {
		topic := events.NewTopic[numbered]("numbered.done")
		listen := func(name string, stage int, err error) events.Listener {
			return topic.Listener(name, func(context.Context, events.Event[numbered]) error { return err }, events.Order(stage))
		}
		bus := newBus(t, []events.Listener{
			listen("a", 0, nil), listen("b", 0, events.Skip(errors.New("not mine"))), listen("c", 0, nil),
			listen("d", 1, nil), listen("e", 1, errors.New("boom")), listen("f", 1, nil),
			listen("g", 2, nil), listen("h", 2, nil),
		})
		e := topic.New(numbered{})
		if dispatched {
			failed, ok := errors.AsType[*events.ListenerError](bus.Dispatch(t.Context(), e))
			if !ok || failed.Listener != "e" || failed.Err.Error() != "boom" {
				t.Errorf("dispatch: %+v", failed)
			}
			continue
		}
		var states []string
		for _, r := range bus.Deliver(t.Context(), e).Results {
			states = append(states, r.Listener+" "+string(r.Status))
		}
		want := "a done, b skipped, c done, d done, e failed, f done, g not_run, h not_run"
		if got := strings.Join(states, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

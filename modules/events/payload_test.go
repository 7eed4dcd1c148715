package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/events"
)

func wireEvent(payload string) events.Any {
	return events.Any{ID: "1", Name: "user.created", Data: events.NewPayload(json.RawMessage(payload)), Metadata: map[string]string{"k": "v"}}
}

// counted counts how often it is decoded.
type counted struct {
	Names []string
}

var decodings atomic.Int32

func (c *counted) UnmarshalJSON(text []byte) error {
	decodings.Add(1)
	return json.Unmarshal(text, &c.Names)
}

func TestPayloadIsDecodedOncePerTypeAndListenersCannotDisturbEachOther(t *testing.T) {
	decodings.Store(0)
	const listeners = 20
	var together sync.WaitGroup
	together.Add(listeners)
	var all []events.Listener
	for i := range listeners {
		name := fmt.Sprintf("l%02d", i)
		all = append(all, events.On("user.created", name, func(_ context.Context, e events.Event[counted]) error {
			for j := range e.Data.Names {
				e.Data.Names[j] = name
			}
			e.Metadata["k"] = name
			together.Done()
			if e.Data.Names[0] != name || e.Metadata["k"] != name {
				return fmt.Errorf("disturbed: %v %v", e.Data, e.Metadata)
			}
			return nil
		}))
	}
	e := wireEvent(`["a","b"]`)
	if err := newBus(t, all).Dispatch(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	together.Wait()
	if n := decodings.Load(); n != 1 {
		t.Errorf("decoded %d times for %d listeners", n, listeners)
	}
	again, err := events.As[counted](e)
	if err != nil || again.Data.Names[0] != "a" || e.Metadata["k"] != "v" {
		t.Errorf("the event itself was changed: %v %v %v", again, e.Metadata, err)
	}
}

func TestInProcessPayloadsAreIsolatedWithoutJSON(t *testing.T) {
	t.Parallel()
	mutate := func(_ context.Context, e events.Event[user]) error {
		e.Data.Tags[0] = "changed"
		e.Data.Attrs["k"] = "changed"
		return nil
	}
	hand := &byHand{handle: func(e events.Any) error {
		data, ok := e.Data.(user)
		if !ok {
			return fmt.Errorf("data is %T", e.Data)
		}
		data.Tags[0] = "by hand"
		return nil
	}}
	data := user{Tags: []string{"t"}, Attrs: map[string]string{"k": "v"}}
	bus := newBus(t, []events.Listener{
		userCreated.Listener("a", mutate), userCreated.Listener("b", mutate), hand,
		events.On("user.created", "takes-text", func(_ context.Context, e events.Event[json.RawMessage]) error {
			if want := `{"name":"","email":"","tags":["t"],"attrs":{"k":"v"}}`; string(e.Data) != want {
				return fmt.Errorf("got %s", e.Data)
			}
			return nil
		}),
	})
	if err := bus.Dispatch(t.Context(), userCreated.New(data)); err != nil {
		t.Error(err)
	}
	if data.Tags[0] != "t" || data.Attrs["k"] != "v" {
		t.Errorf("the dispatcher's value was changed: %+v", data)
	}
	// A payload that came as JSON is not copied but shared, asynchronously too.
	if _, err := bus.DispatchAsync(t.Context(), wireEvent(`{"tags":["t"],"attrs":{"k":"v"}}`)).Await(t.Context()); err == nil {
		t.Error("the listener made by hand took a payload for a user")
	}
	// Nothing that JSON could carry: a function and a channel.
	type local struct {
		F func() string
		C chan int
	}
	topic := events.NewTopic[local]("local")
	bus = newBus(t, []events.Listener{topic.Listener("l", func(_ context.Context, e events.Event[local]) error {
		if e.Data.F() != "called" || e.Data.C == nil {
			return errors.New("lost")
		}
		return nil
	})})
	if err := bus.Dispatch(t.Context(), topic.New(local{F: func() string { return "called" }, C: make(chan int)})); err != nil {
		t.Error(err)
	}
}

func TestAsConverts(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, %v, want %#v", got, err, want)
		}
	}
	anyOf, err := events.As[any](wireEvent(`{"id":12345678901234567890,"f":[1.5]}`))
	check(t, anyOf.Data, err, map[string]any{"id": json.Number("12345678901234567890"), "f": []any{json.Number("1.5")}})
	raw, err := events.As[json.RawMessage](wireEvent(`{"a":1}`))
	check(t, string(raw.Data), err, `{"a":1}`)
	pointer, err := events.As[*user](wireEvent(`{"name":"n"}`))
	check(t, pointer.Data, err, &user{Name: "n"})
	value, err := events.As[user](events.Any{Data: &user{Name: "n"}})
	check(t, value.Data, err, user{Name: "n"})
	fromRaw, err := events.As[user](events.Any{Data: json.RawMessage(`{"name":"n"}`)})
	check(t, fromRaw.Data, err, user{Name: "n"})
	e := wireEvent(`1`)
	itself, err := events.As[*events.Payload](e)
	check(t, any(itself.Data), err, e.Data)
	none, err := events.As[any](events.Any{})
	check(t, none.Data, err, any(nil))
	stringer, err := events.As[fmt.Stringer](events.Any{Data: time.Second})
	check(t, stringer.Data, err, fmt.Stringer(time.Second))
	number, err := events.As[*big.Int](wireEvent(`123456789012345678901234567890`))
	check(t, number.Data.String(), err, "123456789012345678901234567890")
}

func TestWrongPayloadsAreExplainedWithoutTheirValues(t *testing.T) {
	t.Parallel()
	type account struct {
		Owner struct {
			Age int `json:"age"`
		} `json:"owner"`
	}
	listen := events.On("user.created", "mail", func(context.Context, events.Event[account]) error {
		t.Error("the listener ran")
		return nil
	})
	bus := newBus(t, []events.Listener{listen})
	for _, tc := range []struct {
		name string
		data any
		want string
	}{
		{"json type", events.NewPayload([]byte(`{"owner":{"age":"secret"}}`)), `event "user.created": listener "mail" wants events_test.account, got JSON string for field "owner.age" at offset 24`},
		{"json number", events.NewPayload([]byte(`{"owner":{"age":77.5}}`)), `event "user.created": listener "mail" wants events_test.account, got JSON number for field "owner.age" at offset 20`},
		{"json shape", events.NewPayload([]byte(`["secret"]`)), `event "user.created": listener "mail" wants events_test.account, got JSON array at offset 1`},
		{"go type", user{Name: "secret"}, `event "user.created": listener "mail" wants events_test.account, got events_test.user`},
		{"nil", nil, `event "user.created": listener "mail" wants events_test.account, got nothing`},
		{"nil pointer", (*account)(nil), `event "user.created": listener "mail" wants events_test.account, got *events_test.account`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := bus.Deliver(t.Context(), events.Any{ID: tc.name, Name: "user.created", Data: tc.data})
			wrong, ok := errors.AsType[*events.PayloadError](o.Err())
			if !ok || wrong.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", o.Err(), tc.want)
			}
			if d := o.Disposition(); d.Action != events.DeadLetter || strings.Contains(d.Reason, "secret") {
				t.Errorf("disposition %+v", d)
			}
		})
	}
}

type tree struct {
	Name  string
	Kids  []*tree
	Named map[string]*tree
	Open  any
	When  time.Time
	Pair  [2][]int
	Skip  *tree
}

func trees() *rapid.Generator[*tree] {
	return rapid.Custom(func(t *rapid.T) *tree { return drawTree(t, 3) })
}

func drawTree(t *rapid.T, depth int) *tree {
	n := &tree{Name: rapid.String().Draw(t, "name"), When: time.Unix(rapid.Int64Range(0, 1e9).Draw(t, "when"), 0)}
	n.Pair[1] = rapid.SliceOfN(rapid.Int(), 0, 3).Draw(t, "pair")
	if depth == 0 {
		return n
	}
	for range rapid.IntRange(0, 2).Draw(t, "kids") {
		n.Kids = append(n.Kids, drawTree(t, depth-1))
	}
	if rapid.Bool().Draw(t, "named") {
		n.Named = map[string]*tree{"x": drawTree(t, depth-1)}
	}
	if rapid.Bool().Draw(t, "open") {
		n.Open = []any{map[string]any{"t": drawTree(t, depth-1)}, 1, "s"}
	}
	return n
}

// poison overwrites everything that can be reached.
func poison(n *tree) {
	if n == nil {
		return
	}
	n.Name, n.When = "poisoned", time.Time{}
	for i := range n.Pair[1] {
		n.Pair[1][i] = -1
	}
	for _, k := range n.Kids {
		poison(k)
	}
	for k, v := range n.Named {
		poison(v)
		n.Named[k] = nil
	}
	if open, ok := n.Open.([]any); ok {
		if m, ok := open[0].(map[string]any); ok {
			if inner, ok := m["t"].(*tree); ok {
				poison(inner)
			}
			m["t"] = nil
		}
		open[1] = -1
	}
	n.Kids, n.Open = nil, nil
}

func TestClonesAreEqualAndShareNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		original := trees().Draw(t, "tree")
		first := events.Clone(original)
		second := events.Clone(original)
		if !reflect.DeepEqual(first, original) {
			t.Fatal("clone differs from its original")
		}
		poison(first)
		if !reflect.DeepEqual(second, original) {
			t.Fatal("changing a clone changed its original")
		}
		poison(original)
		if original.Name == second.Name && second.Name != "poisoned" {
			t.Fatal("poison did nothing")
		}
	})
}

func TestClonesOfCyclesEnd(t *testing.T) {
	t.Parallel()
	a := &tree{Name: "a"}
	b := &tree{Name: "b", Kids: []*tree{a}}
	a.Kids = []*tree{b, b}
	self := map[string]any{}
	self["self"] = self
	a.Open = self
	c := events.Clone(a)
	if c == a || c.Kids[0] != c.Kids[1] || c.Kids[0] == b || c.Kids[0].Kids[0] != c {
		t.Errorf("cycle not kept: %p %+v", a, c)
	}
	if m, ok := c.Open.(map[string]any); !ok || reflect.ValueOf(m["self"]).Pointer() != reflect.ValueOf(m).Pointer() {
		t.Error("the map does not hold itself")
	}
}

type secretive struct {
	hidden []string
	Shown  []string
}

func (s secretive) Clone() secretive {
	return secretive{hidden: append([]string(nil), s.hidden...), Shown: append([]string(nil), s.Shown...)}
}

func TestTypesMayCloneThemselves(t *testing.T) {
	t.Parallel()
	s := secretive{hidden: []string{"h"}, Shown: []string{"s"}}
	c := events.Clone(s)
	c.hidden[0], c.Shown[0] = "x", "x"
	if s.hidden[0] != "h" || s.Shown[0] != "s" {
		t.Errorf("original changed: %+v", s)
	}
}

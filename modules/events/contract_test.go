package events_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

type base struct {
	Version int `json:"version"`
}

type everything struct {
	base
	Name    string            `json:"name" validate:"required,min=2,max=40"`
	Mail    string            `json:"mail,omitempty" validate:"omitempty,email"`
	Plan    string            `json:"plan" validate:"oneof=free paid"`
	Age     uint8             `json:"age" validate:"gte=18,lte=120"`
	Ratio   float64           `json:"ratio,omitempty"`
	When    time.Time         `json:"when"`
	Blob    []byte            `json:"blob"`
	Tags    []string          `json:"tags" validate:"max=3,dive,min=1"`
	Pair    [2]bool           `json:"pair"`
	Attrs   map[string]int    `json:"attrs"`
	Addr    netip.Addr        `json:"addr"`
	Raw     json.RawMessage   `json:"raw"`
	Open    any               `json:"open"`
	Parent  *everything       `json:"parent"`
	Quoted  int64             `json:"quoted,string"`
	Ignored string            `json:"-"`
	Plain   struct{ X int }   // named after the field
	hidden  map[string]string //nolint:unused // must not appear
}

const wantSchema = `{"$ref":"#/$defs/everything","$defs":{"everything":{"title":"events_test.everything","type":"object","properties":{
	"version":{"type":"integer"},
	"name":{"type":"string","minLength":2,"maxLength":40},
	"mail":{"type":"string","format":"email"},
	"plan":{"type":"string","enum":["free","paid"]},
	"age":{"type":"integer","minimum":18,"maximum":120},
	"ratio":{"type":"number"},
	"when":{"type":"string","format":"date-time"},
	"blob":{"type":["string","null"],"contentEncoding":"base64"},
	"tags":{"type":["array","null"],"items":{"type":"string"},"maxItems":3},
	"pair":{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2},
	"attrs":{"type":["object","null"],"additionalProperties":{"type":"integer"}},
	"addr":{"type":"string"},
	"raw":{},"open":{},
	"parent":{"anyOf":[{"$ref":"#/$defs/everything"},{"type":"null"}]},
	"quoted":{"type":"string"},
	"Plain":{"type":"object","properties":{"X":{"type":"integer"}},"required":["X"]}},
	"required":["version","name","plan","age","when","blob","tags","pair","attrs","addr","raw","open","quoted","Plain"]}}}`

func sameJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestContractListsTopicsTypesAndListeners(t *testing.T) {
	t.Parallel()
	bus := newBus(t, []events.Listener{
		events.NewTopic[everything]("order.placed").Listener("invoice", func(context.Context, events.Event[everything]) error { return nil }, events.Order(2)),
		events.On("order.*", "audit", func(context.Context, events.Event[json.RawMessage]) error { return nil }),
		&byHand{},
	}, events.WithTopics(events.NewTopic[string]("order.closed")))
	got := bus.Contract()
	if len(got.Events) != 4 {
		t.Fatalf("%+v", got)
	}
	closed, placed := got.Events[1], got.Events[2]
	if closed.Name != "order.closed" || closed.Payloads[0].Type != "string" || len(closed.Listeners) != 1 || closed.Listeners[0].Name != "audit" {
		t.Errorf("%+v", closed)
	}
	if !got.Events[0].Wildcard || got.Events[0].Name != "order.*" || got.Events[3].Name != "user.*" || len(got.Events[3].Payloads) != 0 {
		t.Errorf("%+v", got.Events)
	}
	sameJSON(t, placed.Payloads[0].Schema, wantSchema)
	want := []events.ListenerContract{
		{Name: "audit", Pattern: "order.*", Type: "json.RawMessage"},
		{Name: "invoice", Pattern: "order.placed", Order: 2, Type: "events_test.everything"},
	}
	if !reflect.DeepEqual(placed.Listeners, want) {
		t.Errorf("%+v", placed.Listeners)
	}
}

func TestAsyncAPIDocument(t *testing.T) {
	t.Parallel()
	bus := newBus(t, []events.Listener{
		userCreated.Listener("mail", nothing),
		events.On("user.created", "also", func(context.Context, events.Event[address]) error { return nil }),
	}, events.WithTopics(events.NewTopic[string]("user created"), events.NewTopic[int]("user_created")))
	text, err := bus.Contract().AsyncAPI("accounts", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("version %v", doc["asyncapi"])
	}
	channels, _ := doc["channels"].(map[string]any)
	if len(channels) != 3 {
		t.Errorf("%d channels for three names that look alike:\n%s", len(channels), text)
	}
	checkRefs(t, doc, doc)
}

// checkRefs sees to it that each reference in the document leads somewhere.
func checkRefs(t *testing.T, doc, at any) {
	t.Helper()
	switch at := at.(type) {
	case map[string]any:
		if ref, ok := at["$ref"].(string); ok {
			target := doc
			for key := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				object, _ := target.(map[string]any)
				if target = object[key]; target == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
		}
		for _, value := range at {
			checkRefs(t, doc, value)
		}
	case []any:
		for _, value := range at {
			checkRefs(t, doc, value)
		}
	}
}

func TestTopicsThatContradictFailTheStart(t *testing.T) {
	t.Parallel()
	pool := startPool(t, goroutine.Config{})
	_, err := events.NewBus(events.Config{}, pool, []events.Listener{userCreated.Listener("l", nothing)},
		events.WithTopics(events.NewTopic[int]("user.created"), events.NewTopic[int]("a..b"), nil))
	for _, want := range []string{`topic "user.created" has two payload types: events_test.user and int`, `"a..b": empty segment`, "topic 3 of 3 is nil"} {
		expectError(t, err, want)
	}
}

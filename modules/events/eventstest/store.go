package eventstest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// Store tests that an implementation keeps what events.Store promises.
func Store(t *testing.T, open func(t *testing.T) events.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, events.Store){
		"KeepsEventsWhole":           storeKeepsWhole,
		"KeepsTheOrder":              storeKeepsOrder,
		"AppendsOnce":                storeAppendsOnce,
		"AppendsAllOrNone":           storeAllOrNone,
		"ReadsByQuery":               storeReadsByQuery,
		"ReadsOnFromACursor":         storeReadsOn,
		"RefusesFaultyQueries":       storeRefusesQueries,
		"EndsWithItsContext":         storeEndsWithContext,
		"LosesNothingToConcurrency":  storeConcurrent,
		"SharesNothingWithItsCaller": storeSharesNothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func event(id, name string, minute int) events.Any {
	return events.Any{ID: id, Name: name, Source: "test", Timestamp: noon.Add(time.Duration(minute) * time.Minute), Data: map[string]int{"minute": minute}}
}

func add(t *testing.T, s events.Store, all ...events.Any) {
	t.Helper()
	if err := s.Append(t.Context(), all...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func read(t *testing.T, s events.Store, q events.Query) []events.Recorded {
	t.Helper()
	var all []events.Recorded
	for r, err := range s.Read(t.Context(), q) {
		if err != nil {
			t.Fatalf("Read(%+v): %v", q, err)
		}
		all = append(all, r)
	}
	return all
}

func ids(all []events.Recorded) []string {
	got := make([]string, len(all))
	for i, r := range all {
		got[i] = r.Event.ID
	}
	return got
}

func storeKeepsWhole(t *testing.T, s events.Store) {
	e := event("1", "user.created", 1)
	e.Timestamp = e.Timestamp.Add(123456 * time.Microsecond).In(time.FixedZone("", 3600))
	e.Metadata = map[string]string{"k": "v", "": "", "ü": "\n"}
	e.Data = json.RawMessage(`{"id":12345678901234567890,"text":"<é>"}`)
	before := time.Now()
	add(t, s, e)
	all := read(t, s, events.Query{})
	if len(all) != 1 {
		t.Fatalf("%d events", len(all))
	}
	got := all[0]
	if got.At.Before(before.Add(-time.Minute)) || got.At.After(time.Now().Add(time.Minute)) || got.Cursor == "" {
		t.Errorf("recorded at %v, cursor %q", got.At, got.Cursor)
	}
	if got.Event.ID != "1" || got.Event.Name != "user.created" || got.Event.Source != "test" || !got.Event.Timestamp.Equal(e.Timestamp) {
		t.Errorf("got %+v, want %+v", got.Event, e)
	}
	if len(got.Event.Metadata) != 3 || got.Event.Metadata["k"] != "v" || got.Event.Metadata["ü"] != "\n" {
		t.Errorf("metadata %q", got.Event.Metadata)
	}
	type payload struct {
		ID   json.Number `json:"id"`
		Text string      `json:"text"`
	}
	typed, err := events.As[payload](got.Event)
	if err != nil || typed.Data != (payload{ID: "12345678901234567890", Text: "<é>"}) {
		t.Errorf("payload %+v, %v", typed.Data, err)
	}
}

func storeKeepsOrder(t *testing.T, s events.Store) {
	var want []string
	for i := range 100 { // timestamps run backwards: appending is what counts
		id := fmt.Sprintf("%03d", i)
		want = append(want, id)
		add(t, s, event(id, "n", -i))
	}
	if got := ids(read(t, s, events.Query{})); !slices.Equal(got, want) {
		t.Errorf("order %q", got)
	}
}

func storeAppendsOnce(t *testing.T, s events.Store) {
	first, again := event("1", "first", 1), event("1", "again", 2)
	other := event("1", "other.source", 3)
	other.Source = "elsewhere"
	add(t, s, first, again)
	add(t, s, again, other)
	all := read(t, s, events.Query{ID: "1"})
	if len(all) != 2 || all[0].Event.Name != "first" || all[1].Event.Name != "other.source" {
		t.Errorf("kept %+v", all)
	}
}

func storeAllOrNone(t *testing.T, s events.Store) {
	for _, bad := range []events.Any{
		{ID: "x", Name: "a..b"},
		{ID: "", Name: "no.id"},
		{ID: "x", Name: "no.json", Data: make(chan int)},
	} {
		if err := s.Append(t.Context(), event("1", "good", 1), bad); err == nil {
			t.Errorf("appended %+v", bad)
		}
	}
	if all := read(t, s, events.Query{}); len(all) != 0 {
		t.Errorf("kept %q of a failed append", ids(all))
	}
	add(t, s)
}

func storeReadsByQuery(t *testing.T, s events.Store) {
	add(t, s, event("1", "user.created", 1), event("2", "user.deleted", 2), event("3", "user.address.changed", 3), event("4", "order.placed", 4))
	for _, tc := range []struct {
		name string
		q    events.Query
		want []string
	}{
		{"all", events.Query{}, []string{"1", "2", "3", "4"}},
		{"id", events.Query{ID: "2"}, []string{"2"}},
		{"unknown id", events.Query{ID: "9"}, []string{}},
		{"name", events.Query{Pattern: "user.created"}, []string{"1"}},
		{"segment", events.Query{Pattern: "user.*"}, []string{"1", "2"}},
		{"tail", events.Query{Pattern: "user.**"}, []string{"1", "2", "3"}},
		{"everything", events.Query{Pattern: "**"}, []string{"1", "2", "3", "4"}},
		{"from, inclusive", events.Query{From: noon.Add(3 * time.Minute)}, []string{"3", "4"}},
		{"to, exclusive", events.Query{To: noon.Add(3 * time.Minute)}, []string{"1", "2"}},
		{"between", events.Query{From: noon.Add(2 * time.Minute), To: noon.Add(4 * time.Minute)}, []string{"2", "3"}},
		{"limit", events.Query{Limit: 3}, []string{"1", "2", "3"}},
		{"all conditions", events.Query{Pattern: "user.**", From: noon.Add(2 * time.Minute), Limit: 1}, []string{"2"}},
	} {
		if got := ids(read(t, s, tc.q)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func storeReadsOn(t *testing.T, s events.Store) {
	for i := range 10 {
		add(t, s, event(fmt.Sprint(i), "n", i))
	}
	var got []string
	after := events.Cursor("")
	for {
		page := read(t, s, events.Query{After: after, Limit: 3})
		if len(page) == 0 {
			break
		}
		got = append(got, ids(page)...)
		after = page[len(page)-1].Cursor
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
		t.Errorf("read %q", got)
	}
	add(t, s, event("10", "n", 10))
	if got := ids(read(t, s, events.Query{After: after})); !slices.Equal(got, []string{"10"}) {
		t.Errorf("after the end came %q", got)
	}
}

func storeRefusesQueries(t *testing.T, s events.Store) {
	add(t, s, event("1", "n", 1))
	for _, q := range []events.Query{{Pattern: "a.**.b"}, {After: "not a cursor of any store"}} {
		yields := 0
		for _, err := range s.Read(t.Context(), q) {
			yields++
			if err == nil {
				t.Errorf("%+v: no error", q)
			}
		}
		if yields != 1 {
			t.Errorf("%+v: %d yields, want one error", q, yields)
		}
	}
}

func storeEndsWithContext(t *testing.T, s events.Store) {
	add(t, s, event("1", "n", 1), event("2", "n", 2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for r, err := range s.Read(ctx, events.Query{}) {
		if err == nil {
			t.Errorf("read %q with a cancelled context", r.Event.ID)
		}
	}
	for _, err := range s.Read(t.Context(), events.Query{}) {
		if err != nil {
			t.Error(err)
		}
		break // must neither panic nor leak
	}
}

func storeConcurrent(t *testing.T, s events.Store) {
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := s.Append(t.Context(), event(fmt.Sprintf("%d-%d", w, i), "n", i)); err != nil {
					t.Errorf("Append: %v", err)
				}
				for _, err := range s.Read(t.Context(), events.Query{Limit: 1}) {
					if err != nil {
						t.Errorf("Read: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	got := read(t, s, events.Query{})
	if len(got) != writers*each {
		t.Fatalf("%d events, want %d", len(got), writers*each)
	}
	last := make(map[string]int)
	for _, r := range got {
		var w, i int
		if _, err := fmt.Sscanf(r.Event.ID, "%d-%d", &w, &i); err != nil {
			t.Fatal(err)
		}
		if next := last[fmt.Sprint(w)]; i != next {
			t.Fatalf("writer %d: event %d where %d was due", w, i, next)
		}
		last[fmt.Sprint(w)]++
	}
}

func storeSharesNothing(t *testing.T, s events.Store) {
	e := event("1", "n", 1)
	data := map[string]int{"minute": 1}
	e.Data, e.Metadata = data, map[string]string{"k": "v"}
	add(t, s, e)
	data["minute"], e.Metadata["k"] = 99, "changed"
	for range 2 {
		r := read(t, s, events.Query{})[0]
		typed, err := events.As[map[string]int](r.Event)
		if err != nil || typed.Data["minute"] != 1 || r.Event.Metadata["k"] != "v" {
			t.Errorf("kept %v %v, %v", typed.Data, r.Event.Metadata, err)
		}
		typed.Data["minute"], r.Event.Metadata["k"] = 99, "changed"
	}
}

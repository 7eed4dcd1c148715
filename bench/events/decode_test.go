package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
)

// Decoding fxpond's own envelope. The bar: at most 1.5 x one json.Unmarshal of
// the payload, here with the listener's own decoding of the payload included.
func BenchmarkDecode(b *testing.B) {
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	if err != nil {
		b.Fatal(err)
	}
	for _, lines := range []int{1, 10, 100, 1000} {
		data := newOrder(lines)
		payload, err := json.Marshal(data)
		if err != nil {
			b.Fatal(err)
		}
		body, _, err := events.Encode(orderPlaced.New(data, events.WithSource("shop"), events.WithMetadata("tenant", "t1")))
		if err != nil {
			b.Fatal(err)
		}
		name := func(what string) string { return fmt.Sprintf("%s/payload=%dB", what, len(payload)) }
		b.Run(name("json.Unmarshal of the payload"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var o order
				if err := json.Unmarshal(payload, &o); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name("Decode"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decoder.Decode(events.Message{Body: body}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name("Decode and As"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				all, err := decoder.Decode(events.Message{Body: body})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := events.As[order](all[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name("json.Unmarshal for 8 listeners"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range listeners {
					var o order
					if err := json.Unmarshal(payload, &o); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(name("Decode and As for 8 listeners"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				all, err := decoder.Decode(events.Message{Body: body})
				if err != nil {
					b.Fatal(err)
				}
				for range listeners {
					if _, err := events.As[order](all[0]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// Routing does not depend on the number of patterns.
func BenchmarkRoute(b *testing.B) {
	handle := func(context.Context, events.Event[any]) error { return nil }
	for _, patterns := range []int{10, 100, 1000, 10_000} {
		var all []events.Listener
		for i := range patterns {
			pattern := fmt.Sprintf("tenant%d.user.created", i)
			switch i % 3 {
			case 1:
				pattern = fmt.Sprintf("tenant%d.*.created", i)
			case 2:
				pattern = fmt.Sprintf("tenant%d.**", i)
			}
			all = append(all, events.On(pattern, fmt.Sprintf("l%d", i), handle))
		}
		bus, err := events.NewBus(events.Config{}, startPool(b), all)
		if err != nil {
			b.Fatal(err)
		}
		for name, event := range map[string]string{"exact": "tenant0.user.created", "wildcard": "tenant4.user.created", "none": "nobody.user.created"} {
			b.Run(fmt.Sprintf("%s/patterns=%d", name, patterns), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if bus.Listens(event) == (name == "none") {
						b.Fatal("routed wrongly")
					}
				}
			})
		}
	}
}

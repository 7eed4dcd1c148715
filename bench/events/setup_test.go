package events_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// user is a payload that is copied by assignment; order holds references.
type user struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type order struct {
	ID    string            `json:"id"`
	Lines []line            `json:"lines"`
	Notes map[string]string `json:"notes"`
}

type line struct {
	SKU      string  `json:"sku"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

var (
	userCreated = events.NewTopic[user]("user.created")
	orderPlaced = events.NewTopic[order]("order.placed")

	ada = user{ID: 1, Name: "Ada", Email: "ada@example.org"}
)

const listeners = 8

func newOrder(lines int) order {
	o := order{ID: "order-1", Notes: map[string]string{"gift": "yes", "carrier": "post"}}
	for i := range lines {
		o.Lines = append(o.Lines, line{SKU: fmt.Sprintf("sku-%06d", i), Quantity: i, Price: float64(i) * 1.25})
	}
	return o
}

func startPool(b testing.TB) *goroutine.Pool {
	b.Helper()
	pool, err := goroutine.NewPool(goroutine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if err := pool.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := pool.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return pool
}

// newBus has listeners on a topic that all do the same.
func newBus[T any](b testing.TB, topic events.Topic[T], handle func(context.Context, events.Event[T]) error) *events.Bus {
	b.Helper()
	var all []events.Listener
	for i := range listeners {
		all = append(all, topic.Listener(fmt.Sprintf("l%d", i), handle))
	}
	bus, err := events.NewBus(events.Config{}, startPool(b), all)
	if err != nil {
		b.Fatal(err)
	}
	return bus
}

func noop[T any](context.Context, events.Event[T]) error { return nil }

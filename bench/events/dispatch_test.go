package events_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

type user struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

var userCreated = events.NewTopic[user]("user.created")

func startPool(b testing.TB) *goroutine.Pool {
	b.Helper()
	pool, err := goroutine.NewPool(goroutine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if err := pool.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

func newBus(b testing.TB, n int) *events.Bus {
	b.Helper()
	listeners := make([]events.Listener, n)
	for i := range listeners {
		listeners[i] = userCreated.Listener(fmt.Sprintf("l%d", i), func(context.Context, events.Event[user]) error { return nil })
	}
	bus, err := events.NewBus(events.Config{}, startPool(b), listeners)
	if err != nil {
		b.Fatal(err)
	}
	return bus
}

func BenchmarkDispatch8(b *testing.B) {
	ctx := context.Background()
	e := userCreated.New(user{ID: 1, Name: "Ada", Email: "ada@example.org"})
	b.Run("bare Pool.Parallel", func(b *testing.B) {
		pool := startPool(b)
		fns := make([]func(context.Context) error, 8)
		for i := range fns {
			fns[i] = func(context.Context) error { return nil }
		}
		b.ReportAllocs()
		for b.Loop() {
			for _, err := range pool.Parallel(ctx, fns...) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("fxpond Dispatch", func(b *testing.B) {
		bus := newBus(b, 8)
		b.ReportAllocs()
		for b.Loop() {
			if err := bus.Dispatch(ctx, e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package events_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type user struct {
	Name  string            `json:"name"`
	Email string            `json:"email"`
	Tags  []string          `json:"tags,omitempty"`
	Attrs map[string]string `json:"attrs,omitempty"`
}

var userCreated = events.NewTopic[user]("user.created")

// startPool runs a pool for the length of the test.
func startPool(t testing.TB, cfg goroutine.Config) *goroutine.Pool {
	t.Helper()
	pool, err := goroutine.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Stop(context.Background()); err != nil {
			t.Errorf("stopping the pool: %v", err)
		}
	})
	return pool
}

func newBus(t testing.TB, listeners []events.Listener, opts ...events.Option) *events.Bus {
	t.Helper()
	bus, err := events.NewBus(events.Config{}, startPool(t, goroutine.Config{}), listeners, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bus.Stop(context.Background()); err != nil {
			t.Errorf("stopping the bus: %v", err)
		}
	})
	return bus
}

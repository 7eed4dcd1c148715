package sqs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestQueuesShareThePoolByWeightAndAQueueAloneGetsItAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var heavy, light atomic.Int32
		done := func(n *atomic.Int32) func(context.Context, events.Any) error {
			return func(context.Context, events.Any) error {
				wait(100 * time.Millisecond)
				n.Add(1)
				return nil
			}
		}
		srv, err := sqslocal.New(sqslocal.Config{})
		must(t, err)
		for _, name := range []string{"heavy", "light"} {
			_, err := srv.CreateQueue(name, nil)
			must(t, err)
		}
		pool, err := goroutine.NewPool(goroutine.Config{MaxWorkers: 8, DisableAutoscaler: true})
		must(t, err)
		must(t, pool.Start(t.Context()))
		bus, err := events.NewBus(events.Config{}, pool, []events.Listener{
			events.On("heavy", "heavy", done(&heavy)), events.On("light", "light", done(&light)),
		})
		must(t, err)
		decoder, err := events.NewDecoder(events.DecodeConfig{})
		must(t, err)
		client := srv.Client()
		consumer, err := sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: "heavy", Weight: 3}, {Name: "light"}}}, client, pool, bus, decoder)
		must(t, err)
		r := &rig{t: t, srv: srv, client: client}
		for _, r.queue = range []string{"heavy", "light"} {
			bodies := make([]string, 400)
			for i := range bodies {
				bodies[i] = `{"event":"` + r.queue + `"}`
			}
			r.send(bodies...)
		}
		must(t, consumer.Start(t.Context()))
		wait(4 * time.Second) // 80 messages a second in all
		h, l := float64(heavy.Load()), float64(light.Load())
		if part := h / (h + l); h+l < 280 || part < 0.70 || part > 0.80 {
			t.Errorf("%v and %v messages done after 4 s: want 300 and more, 75 %% of them of the first queue", h, l)
		}
		wait(6 * time.Second) // the heavy queue is empty after 6.7 s; then the light one has all slots
		if got := heavy.Load() + light.Load(); got < 760 {
			t.Errorf("%d messages done after 10 s, want nearly 800: slots stayed unused", got)
		}
		srv.EndPolls()
		must(t, consumer.Stop(context.Background()))
		must(t, pool.Stop(context.Background()))
		must(t, srv.Close())
	})
}

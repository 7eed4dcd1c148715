package events_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/components/cqrs"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/asaskevich/EventBus"

	"github.com/fxpond/fxpond/modules/events"
)

// Dispatching one event to eight listeners that do nothing, and waiting for
// them. The bar: at most 1.3 x the bare join on the pool.
func BenchmarkDispatchNoop(b *testing.B) {
	ctx := context.Background()
	b.Run("bare Pool.Parallel", func(b *testing.B) {
		pool := startPool(b)
		fns := make([]func(context.Context) error, listeners)
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
		bus := newBus(b, userCreated, noop[user])
		e := userCreated.New(ada)
		b.ReportAllocs()
		for b.Loop() {
			if err := bus.Dispatch(ctx, e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fxpond New+Dispatch", func(b *testing.B) {
		bus := newBus(b, userCreated, noop[user])
		b.ReportAllocs()
		for b.Loop() {
			if err := bus.Dispatch(ctx, userCreated.New(ada)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fxpond Dispatch, payload to copy", func(b *testing.B) {
		bus := newBus(b, orderPlaced, noop[order])
		e := orderPlaced.New(newOrder(3))
		b.ReportAllocs()
		for b.Loop() {
			if err := bus.Dispatch(ctx, e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fxpond Deliver", func(b *testing.B) {
		bus := newBus(b, userCreated, noop[user])
		b.ReportAllocs()
		for b.Loop() {
			if o := bus.Deliver(ctx, userCreated.New(ada)); o.Err() != nil {
				b.Fatal(o.Err())
			}
		}
	})
	b.Run("fxpond Decode+Deliver, one listener", func(b *testing.B) {
		decoder, err := events.NewDecoder(events.DecodeConfig{})
		if err != nil {
			b.Fatal(err)
		}
		bus, err := events.NewBus(events.Config{}, startPool(b), []events.Listener{userCreated.Listener("l", noop[user])})
		if err != nil {
			b.Fatal(err)
		}
		// Each message is another: the ledger would answer for one it knows.
		head := []byte(`{"fxpond":1,"name":"user.created","time":"2026-01-02T03:04:05Z","source":"shop","data":{"id":1,"name":"Ada","email":"ada@example.org"},"id":"`)
		tail, n := []byte(`"}`), 0
		b.ReportAllocs()
		for b.Loop() {
			n++
			body := append(append([]byte(nil), head...), strconv.Itoa(n)...)
			body = append(body, tail...)
			all, err := decoder.Decode(events.Message{Body: body})
			if err != nil {
				b.Fatal(err)
			}
			if o := bus.Deliver(ctx, all[0]); o.Err() != nil {
				b.Fatal(o.Err())
			}
		}
	})
	b.Run("watermill cqrs", func(b *testing.B) {
		publish := watermillBus(b, func(context.Context, *user) error { return nil })
		b.ReportAllocs()
		for b.Loop() {
			publish(ctx, &ada)
		}
	})
	b.Run("asaskevich EventBus", func(b *testing.B) {
		bus := eventBus(b, func(user) {})
		b.ReportAllocs()
		for b.Loop() {
			bus.Publish("user.created", ada)
		}
	})
	b.Run("plain goroutines", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var all sync.WaitGroup
			for range listeners {
				all.Go(func() { _ = noop(ctx, events.Event[user]{Data: ada}) })
			}
			all.Wait()
		}
	})
	b.Run("plain loop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range listeners {
				if err := noop(ctx, events.Event[user]{Data: ada}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// The same with listeners that wait a millisecond, as for a database.
func BenchmarkDispatchIO(b *testing.B) {
	ctx := context.Background()
	wait := func() {
		timer := time.NewTimer(time.Millisecond)
		<-timer.C
	}
	b.Run("fxpond Dispatch", func(b *testing.B) {
		bus := newBus(b, userCreated, func(context.Context, events.Event[user]) error { wait(); return nil })
		e := userCreated.New(ada)
		for b.Loop() {
			if err := bus.Dispatch(ctx, e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("watermill cqrs", func(b *testing.B) {
		publish := watermillBus(b, func(context.Context, *user) error { wait(); return nil })
		for b.Loop() {
			publish(ctx, &ada)
		}
	})
	b.Run("asaskevich EventBus", func(b *testing.B) {
		bus := eventBus(b, func(user) { wait() })
		for b.Loop() {
			bus.Publish("user.created", ada)
		}
	})
	b.Run("plain loop", func(b *testing.B) {
		for b.Loop() {
			for range listeners {
				wait()
			}
		}
	})
}

// watermillBus has eight event handlers on an in-memory pub/sub. The returned
// function publishes an event and waits until all handlers have run.
func watermillBus(b *testing.B, handle func(context.Context, *user) error) func(context.Context, *user) {
	b.Helper()
	logger := watermill.NopLogger{}
	pubsub := gochannel.NewGoChannel(gochannel.Config{}, logger)
	router, err := message.NewRouter(message.RouterConfig{}, logger)
	if err != nil {
		b.Fatal(err)
	}
	topic := "user.created"
	marshaler := cqrs.JSONMarshaler{}
	bus, err := cqrs.NewEventBusWithConfig(pubsub, cqrs.EventBusConfig{
		GeneratePublishTopic: func(cqrs.GenerateEventPublishTopicParams) (string, error) { return topic, nil },
		Marshaler:            marshaler,
	})
	if err != nil {
		b.Fatal(err)
	}
	processor, err := cqrs.NewEventProcessorWithConfig(router, cqrs.EventProcessorConfig{
		GenerateSubscribeTopic: func(cqrs.EventProcessorGenerateSubscribeTopicParams) (string, error) { return topic, nil },
		SubscriberConstructor: func(cqrs.EventProcessorSubscriberConstructorParams) (message.Subscriber, error) {
			return pubsub, nil
		},
		Marshaler: marshaler,
	})
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	for i := range listeners {
		handler := cqrs.NewEventHandler(string(rune('a'+i)), func(ctx context.Context, u *user) error {
			defer running.Done()
			return handle(ctx, u)
		})
		if err := processor.AddHandlers(handler); err != nil {
			b.Fatal(err)
		}
	}
	var stopped sync.WaitGroup
	stopped.Go(func() {
		if err := router.Run(context.Background()); err != nil {
			b.Error(err)
		}
	})
	<-router.Running()
	b.Cleanup(func() {
		if err := router.Close(); err != nil {
			b.Error(err)
		}
		stopped.Wait()
	})
	return func(ctx context.Context, u *user) {
		running.Add(listeners)
		if err := bus.Publish(ctx, u); err != nil {
			b.Fatal(err)
		}
		running.Wait()
	}
}

func eventBus(b *testing.B, handle func(user)) EventBus.Bus {
	b.Helper()
	bus := EventBus.New()
	for range listeners {
		if err := bus.Subscribe("user.created", func(u user) { handle(u) }); err != nil {
			b.Fatal(err)
		}
	}
	return bus
}

package rig

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

// numbered is the event that every message of a scenario is.
var numbered = events.NewTopic[Number]("bench.numbered")

// fxpond is ours, in its default configuration, with real metrics.
type fxpond struct{ app *fx.App }

func (f *fxpond) start(ctx context.Context, j job, w *work) error {
	f.app = fx.New(
		goroutine.Module, events.Module, sqs.Module,
		fx.Supply(
			sqs.Config{Queues: []sqs.Queue{{Name: queueName, Event: numbered.Name()}}},
			goroutine.Config{MaxWorkers: j.Concurrency},
		),
		fx.Provide(
			events.AsListener(numbered.Listener("work", func(ctx context.Context, e events.Event[Number]) error {
				return w.handle(ctx, e.Data)
			})),
			newMeters,
		),
		fx.StopTimeout(stopPatience),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	)
	return f.app.Start(ctx)
}

// newMeters counts for real, since a service in production has its metrics on.
func newMeters() metric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
}

func (f *fxpond) stop(ctx context.Context) error { return f.app.Stop(ctx) }

// gaveUp is never true: its loop ends with Stop only.
func (*fxpond) gaveUp() error { return nil }

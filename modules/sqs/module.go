package sqs

import (
	"context"
	"fmt"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// Module provides [*Consumer], [*Publisher] and [*Admin], starts the consumer with the app and stops it before
// the bus and the pool. It needs goroutine.Module and events.Module beside it.
var Module = fx.Module("fxpond/sqs",
	fx.Provide(New),
	fx.Invoke(func(*Consumer) {}), // nobody asks for it, it acts by itself
)

// Params are what [New] takes from the app.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    Config         `optional:"true"`
	Client    *awssqs.Client `optional:"true"` // default: NewClient, when a queue is configured
	Pool      *goroutine.Pool
	Bus       *events.Bus
	Decoder   *events.Decoder
	Logger    *zap.Logger          `optional:"true"`
	Meters    metric.MeterProvider `optional:"true"`
	Tracers   trace.TracerProvider `optional:"true"`
	Store     ObjectStore          `optional:"true"`               // such as modules/sqs/s3
	Topics    Carrier              `optional:"true" name:"topics"` // of modules/sqs/sns
	Buses     Carrier              `optional:"true" name:"buses"`  // of modules/sqs/eventbridge
}

// lastFlush is the least that the publisher gets of a stop, beyond ShutdownTimeout if need be: some thirty
// requests one after another.
const lastFlush = 500 * time.Millisecond

// Result is what [New] gives to the app.
type Result struct {
	fx.Out

	Consumer  *Consumer
	Publisher *Publisher
	Admin     *Admin
}

// New makes the consumer and the publisher and ties them to the app's lifecycle.
func New(p Params) (Result, error) {
	opts := []Option{WithObjectStore(p.Store), WithTopics(p.Topics), WithBuses(p.Buses)}
	log := zap.NewNop()
	if p.Logger != nil {
		log = p.Logger.Named("sqs")
		opts = append(opts, WithLogger(log))
	}
	if p.Tracers != nil {
		opts = append(opts, WithTracerProvider(p.Tracers))
	}
	if p.Meters != nil {
		opts = append(opts, WithMeterProvider(p.Meters))
	}
	var api AdminAPI
	switch {
	case p.Client != nil:
		api = p.Client
	case p.Config.usesQueues():
		client, err := NewClient(context.Background(), func(o *awssqs.Options) {
			o.DisableMessageChecksumValidation = p.Config.DisableChecksums
		})
		if err != nil {
			return Result{}, err
		}
		api = client
	}
	publisher, err := NewPublisher(p.Config, api, opts...)
	if err != nil {
		return Result{}, err
	}
	consumer, err := NewConsumer(p.Config, api, p.Pool, p.Bus, p.Decoder, opts...)
	if err != nil {
		return Result{}, err
	}
	// Hooks stop in reverse order: listeners publish until the consumer has drained. The two share the
	// stop budget: the publisher has what the consumer leaves, and a moment for a last flush if it left nothing.
	var deadline time.Time
	p.Lifecycle.Append(fx.StopHook(func(ctx context.Context) error {
		left := max(time.Until(deadline), lastFlush)
		ctx, cancel := context.WithTimeout(ctx, left)
		defer cancel()
		return publisher.Stop(ctx)
	}))
	p.Lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			log.Info("sqs configured", zap.String("config", fmt.Sprintf("%+v", consumer.cfg)))
			if len(consumer.intakes) == 0 {
				log.Warn("no queue is consumed: supply sqs.Config with Queues, by value (a pointer is another type to Fx)")
			}
			return consumer.Start(ctx)
		},
		OnStop: func(ctx context.Context) error {
			deadline = time.Now().Add(consumer.cfg.ShutdownTimeout)
			return consumer.Stop(ctx)
		},
	})
	return Result{Consumer: consumer, Publisher: publisher, Admin: NewAdmin(api)}, nil
}

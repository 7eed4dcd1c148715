package fxtest

import (
	"context"
	"testing"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// DeadLetterSuffix ends the name of the dead-letter queue that [New] creates for each queue:
// "users" has "users-dead", and "orders.fifo" has "orders-dead.fifo".
const DeadLetterSuffix = "-dead"

// MaxReceives is how often a message is received before it moves to the dead-letter queue.
const MaxReceives = 3

// App is a started Fx app with an SQS of its own.
type App struct {
	*fx.App

	// Events records what listeners do.
	Events *Recorder
	// SQS is the server: its journal, its queues, its faults.
	SQS *sqslocal.Server
	// Client talks to it.
	Client *awssqs.Client

	t         testing.TB
	publisher events.Publisher
	consumer  *sqs.Consumer
}

// New starts an app with the given options and stops it when the test ends. The options bring the
// modules, the listeners and the sqs.Config, as they do in production. A queue that the test created
// on [App.SQS] by itself is left alone.
//
// The modules log to whatever zap logger the options supply; [Logger] sends warnings to the test's log.
func New(t testing.TB, opts ...fx.Option) *App {
	t.Helper()
	leaks := watch(t)
	server, err := sqslocal.New(sqslocal.Config{})
	if err != nil {
		t.Fatalf("fxtest: %v", err)
	}
	app := &App{t: t, Events: newRecorder(t), SQS: server, Client: server.Client(sqs.ForPollers)}
	var parts struct {
		fx.In
		Publisher events.Publisher `optional:"true"`
		Direct    *sqs.Publisher   `optional:"true"`
		Consumer  *sqs.Consumer    `optional:"true"`
	}
	app.App = fx.New(
		fx.Provide(app.provideClient, events.AsMiddleware(app.Events.middleware)),
		fx.Options(opts...),
		fx.WithLogger(func(p struct {
			fx.In
			Log *zap.Logger `optional:"true"`
		},
		) fxevent.Logger {
			if p.Log == nil {
				return fxevent.NopLogger
			}
			l := &fxevent.ZapLogger{Logger: p.Log}
			l.UseLogLevel(zap.DebugLevel)
			return l
		}),
		fx.Populate(&parts),
	)
	t.Cleanup(func() {
		app.stop()
		leaks.check()
	})
	if err := app.Err(); err != nil {
		t.Fatalf("fxtest: building the app: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	if err := app.Start(ctx); err != nil {
		t.Fatalf("fxtest: starting the app: %v", err)
	}
	app.publisher, app.consumer = parts.Publisher, parts.Consumer
	if parts.Direct != nil {
		app.publisher = parts.Direct
	}
	return app
}

// Logger is an option for apps that supply no logger: warnings and errors go to the test's log.
func Logger(t testing.TB) fx.Option {
	return fx.Supply(zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)))
}

// provideClient creates the queues before the consumer looks for them.
func (a *App) provideClient(p struct {
	fx.In
	Config sqs.Config `optional:"true"`
},
) (*awssqs.Client, error) {
	for _, q := range p.Config.Queues {
		if err := a.createQueue(q.Name); err != nil {
			return nil, err
		}
	}
	for _, r := range p.Config.Publish {
		if r.Queue == "" {
			continue // it names a topic or a bus
		}
		if err := a.createQueue(r.Queue); err != nil {
			return nil, err
		}
	}
	return a.Client, nil
}

// Publish sends events to SQS through the app's sqs module, or dispatches them on the bus of an app
// without one. An error fails the test.
func (a *App) Publish(all ...events.Any) {
	a.t.Helper()
	if a.publisher == nil {
		a.t.Fatal("fxtest: the app has neither sqs.Module nor events.Module to publish with")
	}
	if err := a.publisher.Publish(context.Background(), all...); err != nil {
		a.t.Fatalf("fxtest: %v", err)
	}
}

func (a *App) stop() {
	a.t.Helper()
	a.SQS.EndPolls() // or the stop would wait for the long poll in flight
	ctx, cancel := context.WithTimeout(context.Background(), a.StopTimeout())
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		a.t.Errorf("fxtest: stopping the app: %v", err)
	}
	if err := a.SQS.Close(); err != nil {
		a.t.Errorf("fxtest: closing the SQS server: %v", err)
	}
}

package main

import (
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

// options is the whole service. The first block is all that yours needs.
func options(f flags) fx.Option {
	return fx.Options(
		// The modules: a worker pool, an event bus on it, SQS in front of that.
		goroutine.Module, events.Module, sqs.Module,

		// What listeners and handlers publish goes to SQS, not to the bus of this process.
		events.PublishVia[*sqs.Publisher](),

		// The listeners. Each handles every sign-up, in parallel with the others.
		fx.Provide(
			newMailer,
			events.AsListener(NewSendEmailConfirmation),
			events.AsListener(NewCreateProfile),
			events.AsListener(NewAuditLog),
		),

		// The HTTP side, which publishes.
		fx.Provide(newUsersHandler, newServer),

		// What makes it an example: a queue to use, a load, and books that must balance.
		fx.Supply(f),
		fx.Provide(newQueue, newLoad, newBooks, newTally, events.AsMiddleware(watchListeners), newLogger),
		fx.Invoke(endPollsFirst),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	)
}

func newLogger(f flags) (*zap.Logger, error) {
	if !f.log {
		return zap.NewNop(), nil
	}
	return zap.NewDevelopment()
}

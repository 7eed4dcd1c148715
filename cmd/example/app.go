package main

import (
	"os"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/repository"
	_ "github.com/fxpond/fxpond/modules/repository/mysql"    // or MariaDB's
	_ "github.com/fxpond/fxpond/modules/repository/postgres" // DATABASE_URL may be PostgreSQL's
	"github.com/fxpond/fxpond/modules/sqs"
)

// options is the whole service. The first block is all that yours needs.
func options(f flags) fx.Option {
	return fx.Options(
		// The modules: a worker pool, an event bus on it, SQS in front of that, a database, jobs on the bus, and
		// a page that shows it all.
		goroutine.Module, events.Module, sqs.Module, repository.Module, jobs.Module, ops.Module,

		// Events are recorded with what they tell of, in one transaction, and then sent to SQS. What listeners
		// publish, and jobs, go there too.
		repository.OutboxTo[*sqs.Publisher](), events.PublishVia[*sqs.Publisher](),

		// The tables. DATABASE_URL names a database; without it SQLite runs in memory.
		fx.Supply(repository.Config{DSN: os.Getenv("DATABASE_URL"), AutoMigrate: []any{&User{}, &Profile{}}}),
		repository.Provide[User, uint](), repository.Provide[Profile, string](),

		// The listeners, each of which handles every sign-up, in parallel with the others; and a job's handler.
		fx.Provide(
			newMailer,
			events.AsListener(NewSendEmailConfirmation),
			events.AsListener(NewCreateProfile),
			events.AsListener(NewAuditLog),
			jobs.AsHandler(NewSendWelcome),
		),

		// The HTTP side.
		fx.Provide(newUsersHandler, newServer),

		// What makes it an example: a queue to use, a load, and books that must balance.
		fx.Supply(f, ops.Config{Addr: f.ops, Token: f.token, Writable: f.token != ""}),
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

package repository

import (
	"database/sql"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
)

// Module provides *DB, opens it with the app and closes it after everything that was made with it. It
// needs nothing; supply a Config (the value, not a pointer) to choose the database.
var Module = fx.Module("repository",
	fx.Provide(Open),
	fx.Invoke(func(*DB) {}), // migrations run though nobody asks for the database
)

// Params is what Module takes from the app.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    Config               `optional:"true"`
	SQL       *sql.DB              `optional:"true"` // see WithSQL
	Logger    *zap.Logger          `optional:"true"`
	Meters    metric.MeterProvider `optional:"true"`
}

// Open is Module's constructor.
func Open(p Params) (*DB, error) {
	d, err := NewDB(p.Config, WithLogger(p.Logger), WithMeterProvider(p.Meters), WithSQL(p.SQL))
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.Hook{OnStart: d.Start, OnStop: d.Stop})
	return d, nil
}

// Provide gives the repository of a model to the app:
//
//	fx.New(repository.Module, repository.Provide[User, uint]())
func Provide[T any, ID comparable](opts ...ModelOption[T]) fx.Option {
	return fx.Provide(func(d *DB) (*Repository[T, ID], error) { return New[T, ID](d, opts...) })
}

// LedgerModule gives the database's *Ledger to the app, as its events.Ledger too: the bus then runs each
// listener in a transaction of its own, so that its effects on the database happen once.
var LedgerModule = fx.Module("repository/ledger", fx.Provide(
	func(p storeParams) *Ledger {
		l := NewLedger(p.DB, p.Ledger)
		p.Lifecycle.Append(fx.Hook{OnStart: l.Start, OnStop: l.Stop})
		return l
	},
	func(l *Ledger) events.Ledger { return l },
))

// StoreModule gives the database's *Store to the app, as its events.Store too.
var StoreModule = fx.Module("repository/store", fx.Provide(
	NewStore,
	func(s *Store) events.Store { return s },
))

// OutboxTo gives an *Outbox to the app that publishes through its P, for example
//
//	repository.OutboxTo[*sqs.Publisher]()
//
// Add events.PublishVia[*repository.Outbox]() to make it the app's events.Publisher.
func OutboxTo[P events.Publisher]() fx.Option {
	return fx.Module("repository/outbox",
		fx.Provide(func(p storeParams, to P) (*Outbox, error) {
			o, err := NewOutbox(p.DB, to, p.Outbox)
			if err != nil {
				return nil, err
			}
			p.Lifecycle.Append(fx.Hook{OnStart: o.Start, OnStop: o.Stop})
			return o, nil
		}),
		fx.Invoke(func(*Outbox) {}), // what was recorded is published though nobody records
	)
}

type storeParams struct {
	fx.In

	Lifecycle fx.Lifecycle
	DB        *DB
	Ledger    LedgerConfig `optional:"true"`
	Outbox    OutboxConfig `optional:"true"`
}

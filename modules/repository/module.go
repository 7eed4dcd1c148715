package repository

import (
	"database/sql"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/fx"
	"go.uber.org/zap"
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
func Provide[T any, ID comparable](opts ...RepositoryOption[T]) fx.Option {
	return fx.Provide(func(d *DB) (*Repository[T, ID], error) { return New[T, ID](d, opts...) })
}

package jobstore

import (
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
)

// Module gives *Stores to the app, and its parts to jobs.Module. It needs repository.Module beside it.
var Module = fx.Module("jobstore",
	fx.Provide(provide),
	// jobs.Module takes them if they are there: without this an app that lacks a database would silently go
	// on with those in memory.
	fx.Invoke(func(*Stores) {}),
)

// Params is what Module takes from the app.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    Config `optional:"true"`
	DB        *repository.DB
	Logger    *zap.Logger `optional:"true"`
}

// Result is what Module gives to the app.
type Result struct {
	fx.Out

	Stores      *Stores
	Locks       jobs.Locks
	FailedStore jobs.FailedStore
	BatchStore  jobs.BatchStore
}

func provide(p Params) (Result, error) {
	s, err := New(p.DB, p.Config, WithLogger(p.Logger))
	if err != nil {
		return Result{}, err
	}
	p.Lifecycle.Append(fx.Hook{OnStart: s.Start, OnStop: s.Stop})
	return Result{Stores: s, Locks: s.Locks, FailedStore: s.Failed, BatchStore: s.Batches}, nil
}

package goroutine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/goroutine"
)

func TestModuleNeedsNothing(t *testing.T) {
	app := uberfxtest.New(t, goroutine.Module)
	app.RequireStart()
	ran := make(chan struct{})
	if err := goroutine.Default().Go(t.Context(), func(context.Context) error { close(ran); return nil }); err != nil {
		t.Fatal(err)
	}
	<-ran
	app.RequireStop()
	if err := goroutine.Default().Go(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, goroutine.ErrStopped) {
		t.Errorf("after stop: %v", err)
	}
}

func TestModuleTakesAConfig(t *testing.T) {
	var p *goroutine.Pool
	app := uberfxtest.New(t, goroutine.Module, fx.Supply(goroutine.Config{MaxWorkers: 3}), fx.Populate(&p))
	app.RequireStart()
	if s := p.Stats(); s.Limit != 3 {
		t.Errorf("limit %d", s.Limit)
	}
	app.RequireStop()
}

func TestModuleLogsTheEffectiveConfigOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	app := uberfxtest.New(t, goroutine.Module, fx.Supply(zap.New(core), goroutine.Config{MaxWorkers: 7, IdleTimeout: -1}))
	app.RequireStart().RequireStop()
	started := logs.FilterMessage("goroutine pool started").All()
	if len(started) != 1 {
		t.Fatalf("%d lines", len(started))
	}
	fields := started[0].ContextMap()
	for name, want := range map[string]any{"max_workers": 7, "min_workers": 2, "queue_size": 1000, "shutdown_timeout": 5 * time.Second, "start_limit": 7} {
		if fields[name] != want {
			t.Errorf("%s is %v (%T), want %v", name, fields[name], fields[name], want)
		}
	}
}

func TestStoppedAppReportsWhatThePoolAbandoned(t *testing.T) {
	var p *goroutine.Pool
	app := fx.New(goroutine.Module, fx.NopLogger, fx.Populate(&p), fx.Supply(goroutine.Config{ShutdownTimeout: time.Millisecond}))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	if err := p.Go(goroutine.WithName(t.Context(), "deaf"), func(context.Context) error { close(entered); <-leave; return nil }); err != nil {
		t.Fatal(err)
	}
	<-entered
	err := app.Stop(t.Context())
	var abandoned *goroutine.AbandonedError
	if !errors.As(err, &abandoned) || len(abandoned.Tasks) != 1 || abandoned.Tasks[0].Name != "deaf" || !abandoned.Tasks[0].Running {
		t.Errorf("got %v", err)
	}
	close(leave)
}

func TestDefaultIsTheAppStartedLast(t *testing.T) {
	pools := make([]*goroutine.Pool, 2)
	apps := make([]*uberfxtest.App, 2)
	for i := range apps {
		apps[i] = uberfxtest.New(t, goroutine.Module, fx.Populate(&pools[i])).RequireStart()
	}
	if goroutine.Default() != pools[1] {
		t.Error("not the last one")
	}
	apps[1].RequireStop()
	if goroutine.Default() != pools[0] {
		t.Error("not the one that is left")
	}
	apps[0].RequireStop()
	if err := goroutine.Default().Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestModuleRefusesABadConfig(t *testing.T) {
	app := fx.New(goroutine.Module, fx.Supply(goroutine.Config{MaxWorkers: -3}), fx.NopLogger)
	if app.Err() == nil {
		t.Error("no error")
	}
}

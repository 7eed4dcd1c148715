package goroutine_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"

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

func TestModuleRefusesABadConfig(t *testing.T) {
	app := fx.New(goroutine.Module, fx.Supply(goroutine.Config{MaxWorkers: -3}), fx.NopLogger)
	if app.Err() == nil {
		t.Error("no error")
	}
}

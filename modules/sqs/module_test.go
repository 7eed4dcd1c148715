package sqs_test

import (
	"context"
	"strings"
	"testing"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

var modules = fx.Options(goroutine.Module, events.Module, sqs.Module)

func TestModuleBootsWithNothingSupplied(t *testing.T) {
	t.Parallel()
	var consumer *sqs.Consumer
	var publisher *sqs.Publisher
	app := uberfxtest.New(t, modules, fx.Populate(&consumer, &publisher))
	app.RequireStart()
	if n := len(consumer.Stats().Queues); n != 0 {
		t.Errorf("%d queues consumed", n)
	}
	err := publisher.Publish(t.Context(), workDone.New(payload{}))
	if err == nil || !strings.Contains(err.Error(), "sqs.Route") {
		t.Errorf("publishing without a route: %v", err)
	}
	app.RequireStop()
}

func TestModuleConsumesPublishesAndLogsItsConfigOnce(t *testing.T) {
	t.Parallel()
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	_, err = srv.CreateQueue("work", nil)
	must(t, err)
	core, logs := observer.New(zap.InfoLevel)
	handled := make(chan events.Event[payload], 1)
	var publisher events.Publisher
	app := uberfxtest.New(
		t, modules,
		fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: "work"}}}),
		fx.Provide(
			func() *awssqs.Client { return srv.Client() },
			func() *zap.Logger { return zap.New(core) },
			events.AsListener(func() events.Listener {
				return workDone.Listener("worker", func(_ context.Context, e events.Event[payload]) error {
					handled <- e
					return nil
				})
			}),
		),
		events.PublishVia[*sqs.Publisher](),
		fx.Populate(&publisher),
	)
	app.RequireStart()
	sent := workDone.New(payload{N: 7})
	must(t, publisher.Publish(t.Context(), sent))
	if got := <-handled; got.ID != sent.ID || got.Data.N != 7 {
		t.Errorf("handled %+v, sent %+v", got, sent)
	}
	srv.EndPolls()
	app.RequireStop()
	must(t, srv.Close())
	if n := logs.FilterMessage("sqs configured").Len(); n != 1 {
		t.Errorf("the config was logged %d times", n)
	}
}

func TestModuleRefusesABadConfig(t *testing.T) {
	t.Parallel()
	app := fx.New(modules, fx.NopLogger, fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: ""}}}), fx.Provide(func() *awssqs.Client {
		return awssqs.New(awssqs.Options{})
	}))
	if err := app.Err(); err == nil || !strings.Contains(err.Error(), "Queues[0].Name") {
		t.Errorf("error is %v", err)
	}
}

func TestModuleFailsTheStartForAMissingQueueAndCleansUp(t *testing.T) {
	t.Parallel()
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	defer srv.Close() //nolint:errcheck // nothing runs
	app := fx.New(modules, fx.NopLogger, fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: "gone"}}}), fx.Provide(func() *awssqs.Client {
		return srv.Client()
	}))
	must(t, app.Err())
	err = app.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"gone"`) {
		t.Errorf("error is %v", err)
	}
}

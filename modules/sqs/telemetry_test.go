package sqs_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fxpond/fxpond/modules/events"
)

func TestProcessSpansAreNamedAfterTheirQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		r := newRig(t, rigConfig{
			bus:       []events.Option{events.WithTracerProvider(tracers)},
			listeners: []events.Listener{listen(func(context.Context, int) error { return nil })},
		})
		r.sendEvents(1)
		r.start()
		r.empty()
		var names []string
		for _, span := range spans.Ended() {
			names = append(names, span.Name())
		}
		if got, want := fmt.Sprint(names), "[listener worker process work]"; got != want {
			t.Errorf("spans %s, want %s", got, want)
		}
	})
}

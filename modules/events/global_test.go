package events_test

import (
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fxpond/fxpond/modules/events"
)

// Not parallel: it sets OpenTelemetry's global provider, which cannot be unset.
func TestAGlobalProviderSetLateIsUsed(t *testing.T) {
	if _, set := otel.GetTracerProvider().(*sdktrace.TracerProvider); set {
		t.Skip("an earlier run has set it for good")
	}
	bus := newBus(t, []events.Listener{userCreated.Listener("l", nothing)})
	bus.Deliver(t.Context(), events.Any{Name: "user.created", Data: user{}})
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	bus.Deliver(t.Context(), events.Any{Name: "user.created", Data: user{}})
	if n := len(spans.Ended()); n != 2 {
		t.Errorf("%d spans, want process and listener", n)
	}
}

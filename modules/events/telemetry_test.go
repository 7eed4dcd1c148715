package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// observatory sees what a bus reports.
type observatory struct {
	spans    *tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
	reader   *sdkmetric.ManualReader
}

func newObservatory(t *testing.T) (*observatory, []events.Option) {
	t.Helper()
	o := &observatory{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	o.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans))
	return o, []events.Option{
		events.WithTracerProvider(o.provider),
		events.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.reader))),
		events.WithPropagator(propagation.TraceContext{}),
	}
}

func (o *observatory) span(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	var names []string
	for _, s := range o.spans.Ended() {
		if s.Name() == name {
			return s
		}
		names = append(names, s.Name())
	}
	t.Fatalf("no span %q among %q", name, names)
	return nil
}

// series lists metric and labels of each time series, with its count.
func (o *observatory) series(t *testing.T) []string {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := o.reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch points := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range points.DataPoints {
					all = append(all, fmt.Sprintf("%s{%s} %d", m.Name, p.Attributes.Encoded(attribute.DefaultEncoder()), p.Count))
				}
			case metricdata.Sum[int64]:
				for _, p := range points.DataPoints {
					all = append(all, fmt.Sprintf("%s{%s} %d", m.Name, p.Attributes.Encoded(attribute.DefaultEncoder()), p.Value))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

const sender = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestDeliveriesAreTracedAndMeasuredByRegisteredNamesOnly(t *testing.T) {
	t.Parallel()
	o, opts := newObservatory(t)
	bus := newBus(t, []events.Listener{
		userCreated.Listener("fine", nothing),
		userCreated.Listener("broken", func(context.Context, events.Event[user]) error { return events.Permanent(errors.New("bad")) }),
		events.On("**", "all", func(ctx context.Context, e events.Event[any]) error {
			if !trace.SpanFromContext(ctx).IsRecording() {
				return errors.New("no span in the listener's context")
			}
			if e.Name == "panics" {
				panic("ouch")
			}
			return nil
		}),
	}, opts...)
	ctx := events.WithOrigin(t.Context(), events.Origin{System: "aws_sqs", Destination: "users"})
	e := userCreated.New(user{}, events.WithMetadata("traceparent", sender))
	bus.Deliver(ctx, e)
	for i := range 100 { // names from outside must not become labels
		bus.Deliver(ctx, events.Any{ID: fmt.Sprint(i), Name: fmt.Sprintf("attack.%d", i)})
	}
	bus.Deliver(t.Context(), events.Any{ID: "p", Name: "panics"})

	process := o.span(t, "process users")
	if process.SpanKind() != trace.SpanKindConsumer || process.Parent().IsValid() || process.Status().Code != codes.Error {
		t.Errorf("process span: kind %v, parent %v, status %v", process.SpanKind(), process.Parent(), process.Status())
	}
	if links := process.Links(); len(links) != 1 || links[0].SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("links %v", links)
	}
	want := map[attribute.Key]string{
		"messaging.system": "aws_sqs", "messaging.destination.name": "users", "messaging.operation.type": "process",
		"fxpond.event.name": "user.created", "messaging.message.id": e.ID, "error.type": "permanent",
	}
	for _, kv := range process.Attributes() {
		if want[kv.Key] != kv.Value.AsString() {
			t.Errorf("attribute %s is %q, want %q", kv.Key, kv.Value.AsString(), want[kv.Key])
		}
		delete(want, kv.Key)
	}
	if len(want) > 0 {
		t.Errorf("attributes missing: %v", want)
	}
	broken := o.span(t, "listener broken")
	if broken.Parent().SpanID() != process.SpanContext().SpanID() || broken.Status().Description != "permanent" {
		t.Errorf("listener span: parent %v, status %v", broken.Parent(), broken.Status())
	}
	for _, s := range o.spans.Ended() {
		if s.Name() != "process users" && s.Name() != "process _other" && s.SpanKind() == trace.SpanKindConsumer {
			t.Errorf("span %q", s.Name())
		}
	}

	const queue = "messaging.destination.name=users,messaging.operation.type=process,messaging.system=aws_sqs"
	wantSeries := []string{
		"fxpond.listener.duration{error.type=panic,fxpond.event.name=_other,fxpond.listener.name=all} 1",
		"fxpond.listener.duration{error.type=permanent,fxpond.event.name=user.created,fxpond.listener.name=broken} 1",
		"fxpond.listener.duration{fxpond.event.name=_other,fxpond.listener.name=all} 100",
		"fxpond.listener.duration{fxpond.event.name=user.created,fxpond.listener.name=all} 1",
		"fxpond.listener.duration{fxpond.event.name=user.created,fxpond.listener.name=fine} 1",
		"messaging.process.duration{error.type=panic,fxpond.event.name=_other,messaging.operation.type=process} 1",
		"messaging.process.duration{error.type=permanent,fxpond.event.name=user.created," + queue + "} 1",
		"messaging.process.duration{fxpond.event.name=_other," + queue + "} 100",
	}
	if got := o.series(t); !slices.Equal(got, wantSeries) {
		t.Errorf("series:\n%s", got)
	}
}

func TestDispatchJoinsTheCallersTraceAndStartsNone(t *testing.T) {
	t.Parallel()
	o, opts := newObservatory(t)
	bus := newBus(t, []events.Listener{userCreated.Listener("l", nothing)}, opts...)
	if err := bus.Dispatch(t.Context(), userCreated.New(user{})); err != nil {
		t.Fatal(err)
	}
	if n := len(o.spans.Started()); n != 0 {
		t.Errorf("%d spans outside of any trace", n)
	}
	ctx, parent := o.provider.Tracer("test").Start(t.Context(), "request")
	if err := bus.Dispatch(ctx, userCreated.New(user{})); err != nil {
		t.Fatal(err)
	}
	parent.End()
	dispatch := o.span(t, "dispatch user.created")
	if dispatch.Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Error("dispatch is not part of the request's trace")
	}
	if listener := o.span(t, "listener l"); listener.Parent().SpanID() != dispatch.SpanContext().SpanID() {
		t.Error("the listener's span is not part of the dispatch")
	}
	want := []string{"fxpond.listener.duration{fxpond.event.name=user.created,fxpond.listener.name=l} 2"}
	if got := o.series(t); !slices.Equal(got, want) {
		t.Errorf("series %q", got)
	}
}

func TestTelemetryIsConfigurable(t *testing.T) {
	t.Parallel()
	o, opts := newObservatory(t)
	bus, err := events.NewBus(events.Config{ParentFromMessage: true, DisableListenerSpans: true},
		startPool(t, goroutine.Config{}), []events.Listener{userCreated.Listener("l", nothing)}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	bus.Deliver(t.Context(), userCreated.New(user{}, events.WithMetadata("traceparent", sender)))
	bus.Deliver(t.Context(), events.Any{ID: "1", Name: "nobody.listens"})
	spans := o.spans.Ended()
	if len(spans) != 1 || spans[0].Name() != "process user.created" || spans[0].Parent().SpanID().String() != "b7ad6b7169203331" {
		t.Errorf("spans %v", spans)
	}
	if got := o.series(t); !slices.Contains(got, "fxpond.event.unheard{} 1") {
		t.Errorf("series %q", got)
	}
}

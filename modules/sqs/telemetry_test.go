package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	otelattribute "go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// collect reads the sums of a provider's int64 metrics, by name and label.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var got metricdata.ResourceMetrics
	must(t, reader.Collect(context.Background(), &got))
	sums := map[string]int64{}
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, point := range data.DataPoints {
				key := m.Name
				for _, label := range []string{"fxpond.outcome", "fxpond.sqs.action"} {
					if v, ok := point.Attributes.Value(otelattribute.Key(label)); ok {
						key += " " + v.AsString()
					}
				}
				if v, _ := point.Attributes.Value("messaging.destination.name"); v.AsString() != "work" {
					t.Errorf("%s is labelled with the queue %q", key, v.AsString())
				}
				sums[key] += point.Value
			}
		}
	}
	return sums
}

func TestConsumerMetricsAreWhatStatsCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		reader := sdkmetric.NewManualReader()
		r := newRig(t, rigConfig{
			options: []sqs.Option{sqs.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))},
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				switch runs := seen.add(n); {
				case n == 0:
					return events.Permanent(errors.New("never"))
				case n < 4 && runs == 1:
					return errors.New("not yet")
				}
				return nil
			})},
		})
		r.sendEvents(30)
		r.start()
		r.empty()

		s, got := r.stats(), collect(t, reader)
		for name, want := range map[string]int64{
			"messaging.client.consumed.messages":               s.Received,
			"fxpond.sqs.settled.messages handled":              29,
			"fxpond.sqs.settled.messages retried":              3,
			"fxpond.sqs.settled.messages dead_lettered":        1,
			"fxpond.sqs.leases lost":                           0,
			"fxpond.sqs.requests ReceiveMessage":               s.Requests.Receive,
			"fxpond.sqs.requests DeleteMessageBatch":           s.Requests.DeleteBatch,
			"fxpond.sqs.requests ChangeMessageVisibilityBatch": s.Requests.ChangeVisibility,
			"fxpond.sqs.requests SendMessage":                  1,
		} {
			if value, there := got[name]; !there || value != want {
				t.Errorf("%s is %d (%v), want %d", name, value, there, want)
			}
		}
		if s.Acked != 30 || s.DeadLettered != 1 || s.Retried != 3 {
			t.Errorf("stats: %+v", s)
		}
	})
}

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

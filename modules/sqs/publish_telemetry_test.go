package sqs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestPublisherMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		d := newDesk(t, sqs.Config{}, sqs.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
		must(t, d.Publish(t.Context(), numbered("work.done", 1), numbered("work.done", 2)))
		d.faults(sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch"})
		if d.Publish(t.Context(), numbered("work.done", 3)) == nil {
			t.Fatal("a send that always fails has succeeded")
		}

		var got metricdata.ResourceMetrics
		must(t, reader.Collect(context.Background(), &got))
		var lines []string
		for _, m := range got.ScopeMetrics[0].Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					kind, _ := point.Attributes.Value("error.type")
					lines = append(lines, fmt.Sprintf("%s %s %d", m.Name, kind.String(), point.Value))
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					to, _ := point.Attributes.Value("messaging.destination.name")
					kind, _ := point.Attributes.Value("error.type")
					lines = append(lines, fmt.Sprintf("%s %s %s %d", m.Name, to.String(), kind.String(), point.Count))
				}
			}
		}
		slices.Sort(lines)
		want := []string{
			"messaging.client.operation.duration out  1",
			"messaging.client.operation.duration out InternalError 4",
			"messaging.client.sent.messages  2",
			"messaging.client.sent.messages InternalError 1",
		}
		if !slices.Equal(lines, want) {
			t.Errorf("metrics:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestPublisherSpans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		d := newDesk(t, sqs.Config{}, sqs.WithTracerProvider(tracers))
		ctx, caller := tracers.Tracer("test").Start(t.Context(), "caller")
		must(t, d.Publish(ctx, numbered("work.done", 1)))
		if d.Publish(ctx, numbered("work.done", 2, sqs.WithDelay(-1))) == nil {
			t.Fatal("a negative delay was taken")
		}
		m := d.one(standard)
		ended := spans.Ended()
		if len(ended) != 2 {
			t.Fatalf("%d spans have ended, want 2", len(ended))
		}
		sent, failed := ended[0], ended[1]
		if sent.Name() != "send out" || sent.SpanKind() != trace.SpanKindProducer || sent.Parent().SpanID() != caller.SpanContext().SpanID() {
			t.Errorf("span %q of kind %v", sent.Name(), sent.SpanKind())
		}
		if failed.Status().Code.String() != "Error" {
			t.Errorf("the failed span has status %v", failed.Status())
		}
		header := system(m, types.MessageSystemAttributeNameAWSTraceHeader)
		if !strings.Contains(header, "Parent="+sent.SpanContext().SpanID().String()) {
			t.Errorf("AWSTraceHeader %q does not lead to the span %s", header, sent.SpanContext().SpanID())
		}
	})
}

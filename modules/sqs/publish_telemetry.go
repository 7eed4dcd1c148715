package sqs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

const (
	metricPublished       = "messaging.client.sent.messages"
	metricRequestDuration = "messaging.client.operation.duration"

	keyOperation = attribute.Key("messaging.operation.name")
	keyError     = attribute.Key("error.type")
)

// publishTelemetry holds the publisher's instruments.
type publishTelemetry struct {
	published metric.Int64Counter
	duration  metric.Float64Histogram
}

func newPublishTelemetry(provider metric.MeterProvider) (*publishTelemetry, error) {
	meter := provider.Meter(scope)
	t := &publishTelemetry{}
	var errs [2]error
	t.published, errs[0] = meter.Int64Counter(metricPublished, metric.WithUnit("{message}"), metric.WithDescription("Messages that producers sent."))
	t.duration, errs[1] = meter.Float64Histogram(metricRequestDuration, metric.WithUnit("s"), metric.WithDescription("Duration of requests."),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10))
	return t, errors.Join(errs[:]...)
}

// outletTelemetry counts for one destination. Its option sets are made once: making them for each
// message costs more than the measurement.
type outletTelemetry struct {
	*publishTelemetry
	ok, failed metric.MeasurementOption

	sent, lost, requests, retried atomic.Int64
}

func (t *publishTelemetry) of(destination string) *outletTelemetry {
	set := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more,
			keySystem.String("aws_sqs"), keyDestination.String(destination), keyOperation.String("send"))...))
	}
	return &outletTelemetry{publishTelemetry: t, ok: set(), failed: set(keyError.String("_OTHER"))}
}

// request takes note of one request.
func (t *outletTelemetry) request(results []Answer, took time.Duration) {
	t.requests.Add(1)
	outcome := t.ok
	for _, r := range results {
		if r.Err != nil {
			outcome = t.failed
			break
		}
	}
	t.duration.Record(context.Background(), took.Seconds(), outcome)
}

// answered takes note of the end of one message.
func (t *outletTelemetry) answered(err error) {
	if err != nil {
		t.lost.Add(1)
		t.published.Add(context.Background(), 1, t.failed)
		return
	}
	t.sent.Add(1)
	t.published.Add(context.Background(), 1, t.ok)
}

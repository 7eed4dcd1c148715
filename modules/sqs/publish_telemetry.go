package sqs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const (
	metricPublished       = "messaging.client.sent.messages"
	metricRequestDuration = "messaging.client.operation.duration"

	keyOperation = attribute.Key("messaging.operation.name")
	keyError     = attribute.Key("error.type")
)

// publishTelemetry holds the publisher's instruments.
type publishTelemetry struct {
	tracer    trace.Tracer // nil for none
	published metric.Int64Counter
	duration  metric.Float64Histogram
}

func newPublishTelemetry(o options) (*publishTelemetry, error) {
	meter := o.meters.Meter(scope)
	t := &publishTelemetry{}
	if o.tracers != nil {
		t.tracer = o.tracers.Tracer(scope)
	}
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
	ok     *outcome
	errors sync.Map // error.type -> *outcome; the types are AWS's codes, a closed set
	set    func(more ...attribute.KeyValue) *outcome

	sent, lost, requests, retried atomic.Int64
}

// outcome is the options of a measurement, in the slices that the instruments take.
type outcome struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func (t *publishTelemetry) of(destination string) *outletTelemetry {
	set := func(more ...attribute.KeyValue) *outcome {
		o := metric.WithAttributeSet(attribute.NewSet(append(more,
			keySystem.String("aws_sqs"), keyDestination.String(destination), keyOperation.String("send"))...))
		return &outcome{add: []metric.AddOption{o}, record: []metric.RecordOption{o}}
	}
	return &outletTelemetry{publishTelemetry: t, ok: set(), set: set}
}

func (t *outletTelemetry) outcome(err error) *outcome {
	if err == nil {
		return t.ok
	}
	kind := errorType(err)
	option, known := t.errors.Load(kind)
	if !known {
		option, _ = t.errors.LoadOrStore(kind, t.set(keyError.String(kind)))
	}
	return option.(*outcome) //nolint:errcheck,forcetypeassert // nothing else is stored
}

// errorType is a word for an error, from a closed set.
func errorType(err error) string {
	var api smithy.APIError
	entry, refused := errors.AsType[*EntryError](err)
	switch {
	case refused:
		return entry.Code
	case errors.As(err, &api):
		return api.ErrorCode()
	case errors.Is(err, ErrStopped):
		return "stopped"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "_OTHER"
}

// request takes note of one request.
func (t *outletTelemetry) request(answers []Answer, took time.Duration) {
	t.requests.Add(1)
	var err error
	for _, a := range answers {
		if a.Err != nil {
			err = a.Err
			break
		}
	}
	t.duration.Record(context.Background(), took.Seconds(), t.outcome(err).record...)
}

// answered takes note of the end of one message.
func (t *outletTelemetry) answered(err error) {
	if err != nil {
		t.lost.Add(1)
	} else {
		t.sent.Add(1)
	}
	t.published.Add(context.Background(), 1, t.outcome(err).add...)
}

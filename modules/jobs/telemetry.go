package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Names of all instruments. How long jobs take and how attempts end is in the bus's
// fxpond.listener.duration, whose listener is "job.<name>".
const (
	scopeName = "github.com/fxpond/fxpond/modules/jobs"

	metricDispatched = "fxpond.job.dispatched" // counter by job and destination
	metricDuplicates = "fxpond.job.duplicates" // counter by job
	metricPostponed  = "fxpond.job.postponed"  // counter by job and reason
	metricFailed     = "fxpond.job.failed"     // counter by job

	keyEvent  = attribute.Key("fxpond.event.name")
	keyTo     = attribute.Key("fxpond.job.destination") // queue, process
	keyReason = attribute.Key("fxpond.reason")          // not_due, breaker, redrive

	toQueue       = "queue"
	toProcess     = "process"
	reasonNotDue  = "not_due"
	reasonBreaker = "breaker"
	reasonRedrive = "redrive"

	otherEvent = "_other" // as in package events
)

// telemetry counts what the bus's own metrics do not tell. Events are names of registered jobs.
type telemetry struct {
	dispatches, duplicates, postpones, failures metric.Int64Counter

	mu   sync.Mutex
	sets map[series]metric.AddOption // making one takes longer than counting
}

type series struct{ event, to, reason string }

func newTelemetry(meters metric.MeterProvider) (*telemetry, error) {
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	meter := meters.Meter(scopeName)
	t := &telemetry{sets: map[series]metric.AddOption{}}
	var errs [4]error
	t.dispatches, errs[0] = meter.Int64Counter(metricDispatched, metric.WithUnit("{job}"),
		metric.WithDescription("Jobs that were accepted, by a queue or by this process."))
	t.duplicates, errs[1] = meter.Int64Counter(metricDuplicates, metric.WithUnit("{job}"),
		metric.WithDescription("Unique jobs that were not dispatched because an equal one was queued."))
	t.postpones, errs[2] = meter.Int64Counter(metricPostponed, metric.WithUnit("{job}"),
		metric.WithDescription("Jobs that were sent back without an attempt."))
	t.failures, errs[3] = meter.Int64Counter(metricFailed, metric.WithUnit("{job}"),
		metric.WithDescription("Jobs that failed for good."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("making instruments: %w", err)
	}
	return t, nil
}

func (t *telemetry) dispatched(ctx context.Context, event, to string) {
	t.dispatches.Add(ctx, 1, t.set(series{event: event, to: to}))
}

func (t *telemetry) duplicate(ctx context.Context, event string) {
	t.duplicates.Add(ctx, 1, t.set(series{event: event}))
}

func (t *telemetry) postponed(ctx context.Context, event string, why error) {
	reason := reasonBreaker
	switch {
	case errors.Is(why, errNotDue):
		reason = reasonNotDue
	case errors.Is(why, errTakenAway):
		reason = reasonRedrive
	}
	t.postpones.Add(ctx, 1, t.set(series{event: event, reason: reason}))
}

func (t *telemetry) failed(ctx context.Context, event string) {
	t.failures.Add(ctx, 1, t.set(series{event: event}))
}

func (t *telemetry) set(s series) metric.AddOption {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.sets[s]
	if o == nil {
		kvs := []attribute.KeyValue{keyEvent.String(s.event)}
		if s.to != "" {
			kvs = append(kvs, keyTo.String(s.to))
		}
		if s.reason != "" {
			kvs = append(kvs, keyReason.String(s.reason))
		}
		o = metric.WithAttributeSet(attribute.NewSet(kvs...))
		t.sets[s] = o
	}
	return o
}

package sqs

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// scope names the instrumentation of this package.
const scope = "github.com/fxpond/fxpond/modules/sqs"

// system is SQS in OpenTelemetry's messaging conventions.
const system = "aws_sqs"

// Names follow OpenTelemetry's messaging conventions where these have one; every label is a
// configured queue or a fixed word. Gauges are in gauges.go.
const (
	metricConsumed  = "messaging.client.consumed.messages"
	metricSettled   = "fxpond.sqs.settled.messages"
	metricReleased  = "fxpond.sqs.released.messages"
	metricUnsettled = "fxpond.sqs.settle.failures"
	metricLeases    = "fxpond.sqs.leases"
	metricRequests  = "fxpond.sqs.requests"
	metricAge       = "fxpond.sqs.message.age"
	metricAbandoned = "fxpond.sqs.abandoned.messages"

	keySystem      = attribute.Key("messaging.system")
	keyDestination = attribute.Key("messaging.destination.name")
	keyOutcome     = attribute.Key("fxpond.outcome")
	keyAction      = attribute.Key("fxpond.sqs.action")
)

// ageBuckets are in seconds, one for each step of patience.
var ageBuckets = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400}

// action is an API request of the consumer.
type action int

const (
	receiveMessage action = iota
	deleteBatch
	changeVisibilityBatch
	sendMessage
	actions
)

var actionNames = [actions]string{"ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessage"}

// telemetry holds the instruments. What Stats counts is read from there when somebody collects, so that
// a message costs nothing more.
type telemetry struct {
	consumed, settled, released, unsettled, leases, requests metric.Int64ObservableCounter

	age       metric.Float64Histogram
	abandoned metric.Int64Counter
	gauges    gauges
}

func newTelemetry(provider metric.MeterProvider, intakes []*intake) (*telemetry, error) {
	meter := provider.Meter(scope)
	t := &telemetry{}
	var errs []error
	counter := func(into *metric.Int64ObservableCounter, name, unit, description string) {
		made, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		*into, errs = made, append(errs, err)
	}
	counter(&t.consumed, metricConsumed, "{message}", "Messages received.")
	counter(&t.settled, metricSettled, "{message}", "Messages whose fate is decided: acknowledged, to be retried, dead-lettered, or a duplicate.")
	counter(&t.released, metricReleased, "{message}", "Messages given back without being started.")
	counter(&t.unsettled, metricUnsettled, "{message}", "Deletes and releases that were given up.")
	counter(&t.leases, metricLeases, "{lease}", "Leases renewed and lost.")
	counter(&t.requests, metricRequests, "{request}", "API requests of the consumer, each billed alike.")
	var err error
	t.age, err = meter.Float64Histogram(metricAge, metric.WithUnit("s"), metric.WithDescription("Time from the send of a message to its first receive."),
		metric.WithExplicitBucketBoundaries(ageBuckets...))
	errs = append(errs, err)
	t.abandoned, err = meter.Int64Counter(metricAbandoned, metric.WithUnit("{message}"), metric.WithDescription("Messages left behind by a stop."))
	errs = append(errs, err)
	t.gauges, err = newGauges(meter)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil || len(intakes) == 0 {
		return t, err
	}
	// Counters are told for as long as the provider lives: the last ones are collected after the stop.
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, q := range intakes {
			t.observe(o, q.labels, &q.stats)
		}
		return nil
	}, t.consumed, t.settled, t.released, t.unsettled, t.leases, t.requests)
	return t, err
}

// labels are one queue's: making them costs more than the measurement.
type labels struct {
	queue                             metric.MeasurementOption
	acked, retried, buried, duplicate metric.MeasurementOption
	renewed, lost                     metric.MeasurementOption
	requests                          [actions]metric.MeasurementOption
	states                            [states]metric.MeasurementOption
	age                               []metric.RecordOption
}

func newLabels(queue string) *labels {
	set := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, keySystem.String(system), keyDestination.String(queue))...))
	}
	l := &labels{
		queue: set(), age: []metric.RecordOption{set()},
		acked: set(keyOutcome.String("ack")), retried: set(keyOutcome.String("retry")),
		buried: set(keyOutcome.String("dead_letter")), duplicate: set(keyOutcome.String("duplicate")),
		renewed: set(keyOutcome.String("renewed")), lost: set(keyOutcome.String("lost")),
	}
	for a, name := range actionNames {
		l.requests[a] = set(keyAction.String(name))
	}
	for s, name := range stateNames {
		l.states[s] = set(keyState.String(name))
	}
	return l
}

func (t *telemetry) observe(o metric.Observer, l *labels, n *counters) {
	o.ObserveInt64(t.consumed, n.received.Load(), l.queue)
	o.ObserveInt64(t.settled, n.handled.Load(), l.acked)
	o.ObserveInt64(t.settled, n.retried.Load(), l.retried)
	o.ObserveInt64(t.settled, n.deadLettered.Load(), l.buried)
	o.ObserveInt64(t.settled, n.duplicates.Load(), l.duplicate)
	o.ObserveInt64(t.released, n.released.Load(), l.queue)
	o.ObserveInt64(t.unsettled, n.settleFailed.Load(), l.queue)
	o.ObserveInt64(t.leases, n.leasesRenewed.Load(), l.renewed)
	o.ObserveInt64(t.leases, n.leasesLost.Load(), l.lost)
	for a := range actionNames {
		o.ObserveInt64(t.requests, n.requests[a].Load(), l.requests[a])
	}
}

// received notes how old messages are when they come for the first time.
func (t *telemetry) received(q *intake, messages []*message, now time.Time) {
	ctx := context.Background()
	if !t.age.Enabled(ctx) {
		return
	}
	for _, m := range messages {
		if m.receives == 1 && !m.sent.IsZero() {
			t.age.Record(ctx, max(now.Sub(m.sent), 0).Seconds(), q.labels.age...)
		}
	}
}

func (t *telemetry) stopped(r StopReport) {
	t.abandoned.Add(context.Background(), int64(r.Abandoned+r.Unsettled))
}

func (q *intake) leaseRenewFailed(l *lease, err error) {
	q.log.Warn("lease not renewed, trying again", zap.String("message", l.message.id), zap.Time("deadline", l.deadline), zap.Error(err))
}

func (q *intake) leaseLost(l *lease, err error) {
	q.stats.leasesLost.Add(1)
	q.log.Warn("lease lost, SQS delivers the message again", zap.String("message", l.message.id), zap.Error(err))
}

package sqs

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// scope names the instrumentation of this package.
const scope = "github.com/fxpond/fxpond/modules/sqs"

// system is SQS in OpenTelemetry's messaging conventions.
const system = "aws_sqs"

// Names follow OpenTelemetry's messaging conventions where these have one; every label is a
// configured queue or a fixed word.
const (
	metricConsumed  = "messaging.client.consumed.messages"
	metricSettled   = "fxpond.sqs.settled.messages"
	metricLeases    = "fxpond.sqs.leases"
	metricRequests  = "fxpond.sqs.requests"
	metricAbandoned = "fxpond.sqs.abandoned.messages"

	keySystem      = attribute.Key("messaging.system")
	keyDestination = attribute.Key("messaging.destination.name")
	keyOutcome     = attribute.Key("fxpond.outcome")
	keyAction      = attribute.Key("fxpond.sqs.action")
)

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
	consumed  metric.Int64ObservableCounter
	settled   metric.Int64ObservableCounter
	leases    metric.Int64ObservableCounter
	requests  metric.Int64ObservableCounter
	abandoned metric.Int64Counter
}

func newTelemetry(provider metric.MeterProvider, intakes []*intake) (*telemetry, error) {
	meter := provider.Meter(scope)
	var errs [5]error
	t := &telemetry{}
	t.consumed, errs[0] = meter.Int64ObservableCounter(metricConsumed, metric.WithUnit("{message}"), metric.WithDescription("Messages received."))
	t.settled, errs[1] = meter.Int64ObservableCounter(metricSettled, metric.WithUnit("{message}"), metric.WithDescription("Messages whose fate is decided: handled, to be retried, dead-lettered."))
	t.leases, errs[2] = meter.Int64ObservableCounter(metricLeases, metric.WithUnit("{lease}"), metric.WithDescription("Leases renewed and lost."))
	t.requests, errs[3] = meter.Int64ObservableCounter(metricRequests, metric.WithUnit("{request}"), metric.WithDescription("API requests of the consumer, each billed alike."))
	t.abandoned, errs[4] = meter.Int64Counter(metricAbandoned, metric.WithUnit("{message}"), metric.WithDescription("Messages left behind by a stop."))
	if err := errors.Join(errs[:]...); err != nil || len(intakes) == 0 {
		return t, err
	}
	labels := make([]labels, len(intakes))
	for i, q := range intakes {
		labels[i] = newLabels(q.name)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i, q := range intakes {
			t.observe(o, &labels[i], &q.stats)
		}
		return nil
	}, t.consumed, t.settled, t.leases, t.requests)
	return t, err
}

// labels are one queue's: making them costs more than the measurement.
type labels struct {
	queue                        metric.ObserveOption
	handled, retried, deadLetter metric.ObserveOption
	renewed, lost                metric.ObserveOption
	requests                     [actions]metric.ObserveOption
}

func newLabels(queue string) labels {
	set := func(more ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, keySystem.String(system), keyDestination.String(queue))...))
	}
	l := labels{
		queue: set(), handled: set(keyOutcome.String("handled")), retried: set(keyOutcome.String("retried")),
		deadLetter: set(keyOutcome.String("dead_lettered")), renewed: set(keyOutcome.String("renewed")), lost: set(keyOutcome.String("lost")),
	}
	for a, name := range actionNames {
		l.requests[a] = set(keyAction.String(name))
	}
	return l
}

func (t *telemetry) observe(o metric.Observer, l *labels, n *counters) {
	o.ObserveInt64(t.consumed, n.received.Load(), l.queue)
	o.ObserveInt64(t.settled, n.handled.Load(), l.handled)
	o.ObserveInt64(t.settled, n.retried.Load(), l.retried)
	o.ObserveInt64(t.settled, n.deadLettered.Load(), l.deadLetter)
	o.ObserveInt64(t.leases, n.leasesRenewed.Load(), l.renewed)
	o.ObserveInt64(t.leases, n.leasesLost.Load(), l.lost)
	for a := range actionNames {
		o.ObserveInt64(t.requests, n.requests[a].Load(), l.requests[a])
	}
}

func (t *telemetry) stopped(r StopReport) {
	if n := r.Abandoned + r.Unsettled; n > 0 {
		t.abandoned.Add(context.Background(), int64(n))
	}
}

func (q *intake) leaseRenewFailed(l *lease, err error) {
	q.log.Warn("lease not renewed, trying again", zap.String("message", l.message.id), zap.Time("deadline", l.deadline), zap.Error(err))
}

func (q *intake) leaseLost(l *lease, err error) {
	q.stats.leasesLost.Add(1)
	q.log.Warn("lease lost, SQS delivers the message again", zap.String("message", l.message.id), zap.Error(err))
}

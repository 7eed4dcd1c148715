package sqs

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
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
	metricAge       = "fxpond.sqs.message.age"
	metricLeases    = "fxpond.sqs.leases"
	metricRequests  = "fxpond.sqs.requests"
	metricAbandoned = "fxpond.sqs.abandoned.messages"

	keySystem      = attribute.Key("messaging.system")
	keyDestination = attribute.Key("messaging.destination.name")
	keyOutcome     = attribute.Key("fxpond.outcome")
	keyAction      = attribute.Key("fxpond.sqs.action")
)

// outcomeDuplicate is how metrics tell the Ack of a redelivery that was handled before.
const outcomeDuplicate events.Action = "duplicate"

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

// telemetry holds the instruments. Option sets are made once for each queue: making them for each
// message costs more than the measurement.
type telemetry struct {
	consumed  metric.Int64Counter
	settled   metric.Int64Counter
	age       metric.Float64Histogram
	leases    metric.Int64Counter
	requests  metric.Int64Counter
	abandoned metric.Int64Counter
	observed  observed

	mu     sync.Mutex
	labels map[string]*labels
}

type labels struct {
	queue    []metric.AddOption
	age      []metric.RecordOption
	observe  metric.MeasurementOption
	states   [states]metric.MeasurementOption
	outcomes map[events.Action][]metric.AddOption
	requests [actions][]metric.AddOption
	renewed  []metric.AddOption
	lost     []metric.AddOption
}

func newTelemetry(provider metric.MeterProvider) (*telemetry, error) {
	meter := provider.Meter(scope)
	var errs [7]error
	t := &telemetry{labels: map[string]*labels{}}
	t.consumed, errs[0] = meter.Int64Counter(metricConsumed, metric.WithUnit("{message}"), metric.WithDescription("Messages received."))
	t.settled, errs[1] = meter.Int64Counter(metricSettled, metric.WithUnit("{message}"), metric.WithDescription("Messages whose fate is decided: acknowledged, to be retried, dead-lettered."))
	t.leases, errs[2] = meter.Int64Counter(metricLeases, metric.WithUnit("{lease}"), metric.WithDescription("Leases renewed and lost."))
	t.abandoned, errs[3] = meter.Int64Counter(metricAbandoned, metric.WithUnit("{message}"), metric.WithDescription("Messages left behind by a stop."))
	t.requests, errs[4] = meter.Int64Counter(metricRequests, metric.WithUnit("{request}"), metric.WithDescription("API requests of the consumer, each billed alike."))
	t.age, errs[5] = meter.Float64Histogram(metricAge, metric.WithUnit("s"), metric.WithDescription("Time from the send of a message to its first receive."),
		metric.WithExplicitBucketBoundaries(ageBuckets...))
	t.observed, errs[6] = newObserved(meter)
	return t, errors.Join(errs[:]...)
}

func (t *telemetry) of(queue string) *labels {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.labels[queue]; ok {
		return l
	}
	labelled := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, keySystem.String(system), keyDestination.String(queue))...))
	}
	set := func(more ...attribute.KeyValue) []metric.AddOption { return []metric.AddOption{labelled(more...)} }
	l := &labels{
		queue:    set(),
		age:      []metric.RecordOption{labelled()},
		observe:  labelled(),
		outcomes: map[events.Action][]metric.AddOption{},
		renewed:  set(keyOutcome.String("renewed")),
		lost:     set(keyOutcome.String("lost")),
	}
	for _, action := range []events.Action{events.Ack, events.Retry, events.DeadLetter, outcomeDuplicate} {
		l.outcomes[action] = set(keyOutcome.String(string(action)))
		t.settled.Add(context.Background(), 0, l.outcomes[action]...) // a rate misses what makes a counter appear
	}
	for s, name := range stateNames {
		l.states[s] = labelled(keyState.String(name))
	}
	t.leases.Add(context.Background(), 0, l.renewed...)
	t.leases.Add(context.Background(), 0, l.lost...)
	for a, name := range actionNames {
		l.requests[a] = set(keyAction.String(name))
	}
	t.labels[queue] = l
	return l
}

// request counts one API request.
func (q *intake) request(a action) {
	q.stats.requests[a].Add(1)
	q.c.tel.requests.Add(context.Background(), 1, q.labels.requests[a]...)
}

func (t *telemetry) received(q *intake, messages []*message, now time.Time) {
	ctx := context.Background()
	t.consumed.Add(ctx, int64(len(messages)), q.labels.queue...)
	if !t.age.Enabled(ctx) {
		return
	}
	for _, m := range messages {
		if sent := m.sent(); m.receives == 1 && !sent.IsZero() {
			t.age.Record(ctx, max(now.Sub(sent), 0).Seconds(), q.labels.age...)
		}
	}
}

func (t *telemetry) decided(q *intake, outcome events.Action) {
	t.settled.Add(context.Background(), 1, q.labels.outcomes[outcome]...)
}

func (t *telemetry) stopped(r StopReport) {
	t.abandoned.Add(context.Background(), int64(r.Abandoned+r.Unsettled))
}

func (q *intake) leasesRenewed(n int) {
	if n > 0 {
		q.c.tel.leases.Add(context.Background(), int64(n), q.labels.renewed...)
	}
}

func (q *intake) leaseRenewFailed(l *lease, err error) {
	q.log.Warn("lease not renewed, trying again", zap.String("message", l.message.id), zap.Time("deadline", l.deadline), zap.Error(err))
}

func (q *intake) leaseLost(l *lease, err error) {
	q.stats.leasesLost.Add(1)
	q.c.tel.leases.Add(context.Background(), 1, q.labels.lost...)
	q.log.Warn("lease lost, SQS delivers the message again", zap.String("message", l.message.id), zap.Error(err))
}

package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Names of what is read when somebody collects, at no cost to a message.
const (
	metricHeld      = "fxpond.sqs.messages"
	metricOldest    = "fxpond.sqs.oldest.message"
	metricLastPoll  = "fxpond.sqs.last_poll.age"
	metricPaused    = "fxpond.sqs.paused"
	metricReleased  = "fxpond.sqs.released.messages"
	metricUnsettled = "fxpond.sqs.settle.failures"

	keyState = attribute.Key("fxpond.state")
)

// state is where a received message stands.
type state int

const (
	waiting state = iota
	running
	unsettled
	states
)

var stateNames = [states]string{"waiting", "running", "unsettled"}

// observed holds the instruments that are read from Stats.
type observed struct {
	meter               metric.Meter
	held, paused        metric.Int64ObservableGauge
	oldest, lastPoll    metric.Float64ObservableGauge
	released, unsettled metric.Int64ObservableCounter
}

func newObserved(meter metric.Meter) (observed, error) {
	o := observed{meter: meter}
	var errs [6]error
	o.held, errs[0] = meter.Int64ObservableGauge(metricHeld, metric.WithUnit("{message}"), metric.WithDescription("Messages received and not settled, by state."))
	o.paused, errs[1] = meter.Int64ObservableGauge(metricPaused, metric.WithUnit("{queue}"), metric.WithDescription("1 while the queue is paused here, else 0."))
	o.oldest, errs[2] = meter.Float64ObservableGauge(metricOldest, metric.WithUnit("s"), metric.WithDescription("Time since the receive of the oldest message that is not settled."))
	o.lastPoll, errs[3] = meter.Float64ObservableGauge(metricLastPoll, metric.WithUnit("s"), metric.WithDescription("Time since SQS last answered a receive."))
	o.released, errs[4] = meter.Int64ObservableCounter(metricReleased, metric.WithUnit("{message}"), metric.WithDescription("Messages given back without being started."))
	o.unsettled, errs[5] = meter.Int64ObservableCounter(metricUnsettled, metric.WithUnit("{message}"), metric.WithDescription("Deletes and releases that were given up."))
	return o, errors.Join(errs[:]...)
}

// observe begins to answer whoever collects; Stop ends it.
func (c *Consumer) observe() (err error) {
	o := c.tel.observed
	c.gauges, err = o.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		now := time.Now()
		oldest := map[string]time.Duration{}
		for _, d := range c.InFlight() {
			oldest[d.Queue] = max(oldest[d.Queue], now.Sub(d.ReceivedAt))
		}
		for _, q := range c.intakes {
			s, l := q.snapshot(), q.labels
			for at, n := range [states]int{waiting: s.Waiting, running: s.Running, unsettled: s.Unsettled} {
				to.ObserveInt64(o.held, int64(n), l.states[at])
			}
			paused := int64(0)
			if s.Paused {
				paused = 1
			}
			to.ObserveInt64(o.paused, paused, l.observe)
			to.ObserveFloat64(o.oldest, oldest[s.Name].Seconds(), l.observe)
			to.ObserveFloat64(o.lastPoll, now.Sub(s.LastPoll).Seconds(), l.observe)
			to.ObserveInt64(o.released, s.Released, l.observe)
			to.ObserveInt64(o.unsettled, s.SettleFailed, l.observe)
		}
		return nil
	}, o.held, o.paused, o.oldest, o.lastPoll, o.released, o.unsettled)
	if err != nil {
		return fmt.Errorf("sqs: registering metrics callback: %w", err)
	}
	return nil
}

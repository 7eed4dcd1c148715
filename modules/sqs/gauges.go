package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Names of what tells how things stand, from Start to Stop.
const (
	metricHeld     = "fxpond.sqs.messages"
	metricOldest   = "fxpond.sqs.oldest.message"
	metricLastPoll = "fxpond.sqs.last_poll.age"
	metricPaused   = "fxpond.sqs.paused"

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

// gauges holds the instruments that are read while the consumer runs.
type gauges struct {
	meter            metric.Meter
	held, paused     metric.Int64ObservableGauge
	oldest, lastPoll metric.Float64ObservableGauge
}

func newGauges(meter metric.Meter) (gauges, error) {
	g := gauges{meter: meter}
	var errs [4]error
	g.held, errs[0] = meter.Int64ObservableGauge(metricHeld, metric.WithUnit("{message}"), metric.WithDescription("Messages received and not settled, by state."))
	g.paused, errs[1] = meter.Int64ObservableGauge(metricPaused, metric.WithUnit("{queue}"), metric.WithDescription("1 while the queue is paused here, else 0."))
	g.oldest, errs[2] = meter.Float64ObservableGauge(metricOldest, metric.WithUnit("s"), metric.WithDescription("Time since the receive of the oldest message that is not settled."))
	g.lastPoll, errs[3] = meter.Float64ObservableGauge(metricLastPoll, metric.WithUnit("s"), metric.WithDescription("Time since SQS last answered a receive."))
	return g, errors.Join(errs[:]...)
}

// observe begins to answer whoever collects; Stop ends it.
func (c *Consumer) observe() (err error) {
	g := &c.tel.gauges
	c.gauges, err = g.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		now := time.Now()
		oldest := map[string]time.Duration{}
		for _, d := range c.InFlight() {
			oldest[d.Queue] = max(oldest[d.Queue], now.Sub(d.ReceivedAt))
		}
		for _, q := range c.intakes {
			s, l := q.snapshot(), q.labels
			for at, n := range [states]int{waiting: s.Waiting, running: s.Running, unsettled: s.Unsettled} {
				to.ObserveInt64(g.held, int64(n), l.states[at])
			}
			paused := int64(0)
			if s.Paused {
				paused = 1
			}
			to.ObserveInt64(g.paused, paused, l.queue)
			to.ObserveFloat64(g.oldest, oldest[s.Name].Seconds(), l.queue)
			to.ObserveFloat64(g.lastPoll, now.Sub(s.LastPoll).Seconds(), l.queue)
		}
		return nil
	}, g.held, g.paused, g.oldest, g.lastPoll)
	if err != nil {
		return fmt.Errorf("sqs: registering metrics callback: %w", err)
	}
	return nil
}

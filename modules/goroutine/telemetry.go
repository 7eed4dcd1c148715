package goroutine

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Names of all instruments. Gauges and counters are read from Stats when a reader collects, so they
// cost a task nothing; the duration is recorded per task, and only if the meter provider wants it.
const (
	meterName = "github.com/fxpond/fxpond/modules/goroutine"

	metricTasks      = "fxpond.pool.tasks"             // counter by outcome
	metricPanics     = "fxpond.pool.tasks.panicked"    // counter
	metricStuck      = "fxpond.pool.tasks.stuck"       // counter
	metricRunning    = "fxpond.pool.tasks.running"     // gauge
	metricWaiting    = "fxpond.pool.tasks.waiting"     // gauge
	metricOldestWait = "fxpond.pool.tasks.oldest_wait" // gauge, seconds
	metricDuration   = "fxpond.pool.task.duration"     // histogram by outcome, seconds
	metricLimit      = "fxpond.pool.limit"             // gauge
	metricActive     = "fxpond.pool.slots.active"      // gauge
	metricReserved   = "fxpond.pool.slots.reserved"    // gauge
	metricWorkers    = "fxpond.pool.workers"           // gauge
	metricScale      = "fxpond.pool.scale.decisions"   // counter by reason
	attrOutcome      = attribute.Key("fxpond.outcome") // completed, failed, panicked, rejected, abandoned
	attrReason       = attribute.Key("fxpond.reason")  // see ScaleDecision
)

// durationBuckets are in seconds; OpenTelemetry's own are made for milliseconds.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}

// telemetry holds a pool's instruments. The zero value measures nothing.
type telemetry struct {
	duration     metric.Float64Histogram
	scale        metric.Int64Counter
	registration metric.Registration
}

// The option sets are made once: making them costs more than a task.
var (
	recordCompleted = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("completed")))}
	recordFailed    = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("failed")))}
	recordPanicked  = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("panicked")))}

	countCompleted = metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("completed")))
	countFailed    = metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("failed")))
	countRejected  = metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("rejected")))
	countAbandoned = metric.WithAttributeSet(attribute.NewSet(attrOutcome.String("abandoned")))
)

// WithMeterProvider sets where the pool's metrics go. Default: nowhere.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(p *Pool) { p.meters = provider }
}

func (p *Pool) registerTelemetry() error {
	if p.meters == nil {
		return nil
	}
	m := p.meters.Meter(meterName)
	var errs instrumentErrors
	tasks := errs.counter(m.Int64ObservableCounter(metricTasks, metric.WithDescription("Tasks that are over, by outcome."), metric.WithUnit("{task}")))
	panics := errs.counter(m.Int64ObservableCounter(metricPanics, metric.WithDescription("Tasks that panicked."), metric.WithUnit("{task}")))
	stuck := errs.counter(m.Int64ObservableCounter(metricStuck, metric.WithDescription("Tasks that ran longer than StuckAfter."), metric.WithUnit("{task}")))
	gauge := func(name, description, unit string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge(name, metric.WithDescription(description), metric.WithUnit(unit))
		errs.add(err)
		return g
	}
	running := gauge(metricRunning, "Tasks that run.", "{task}")
	waiting := gauge(metricWaiting, "Tasks that wait, blocked submitters included.", "{task}")
	limit := gauge(metricLimit, "Tasks that may run at once.", "{slot}")
	active := gauge(metricActive, "Slots in use.", "{slot}")
	reserved := gauge(metricReserved, "Slots held by reservations, unused.", "{slot}")
	workers := gauge(metricWorkers, "Worker goroutines, idle ones included.", "{goroutine}")
	oldest, err := m.Float64ObservableGauge(metricOldestWait, metric.WithDescription("Age of the task that waits longest."), metric.WithUnit("s"))
	errs.add(err)
	p.telemetry.duration, err = m.Float64Histogram(metricDuration, metric.WithDescription("Time from start to end of a task."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(durationBuckets...))
	errs.add(err)
	p.telemetry.scale, err = m.Int64Counter(metricScale, metric.WithDescription("Moves of the limit, by reason."), metric.WithUnit("{decision}"))
	errs.add(err)
	if errs.first != nil {
		return fmt.Errorf("creating instruments: %w", errs.first)
	}
	p.telemetry.registration, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := p.Stats()
		o.ObserveInt64(tasks, int64(s.Completed), countCompleted)
		o.ObserveInt64(tasks, int64(s.Failed), countFailed)
		o.ObserveInt64(tasks, int64(s.Rejected), countRejected)
		o.ObserveInt64(tasks, int64(s.Abandoned), countAbandoned)
		o.ObserveInt64(panics, int64(s.Panicked))
		o.ObserveInt64(stuck, int64(s.Stuck))
		o.ObserveInt64(running, int64(s.Running))
		o.ObserveInt64(waiting, int64(s.Waiting))
		o.ObserveInt64(limit, int64(s.Limit))
		o.ObserveInt64(active, int64(s.ActiveWorkers))
		o.ObserveInt64(reserved, int64(s.Reserved))
		o.ObserveInt64(workers, int64(s.Workers))
		o.ObserveFloat64(oldest, s.OldestWait.Seconds())
		return nil
	}, tasks, panics, stuck, running, waiting, limit, active, reserved, workers, oldest)
	if err != nil {
		return fmt.Errorf("registering metrics callback: %w", err)
	}
	return nil
}

type instrumentErrors struct{ first error }

func (e *instrumentErrors) add(err error) {
	if e.first == nil {
		e.first = err
	}
}

func (e *instrumentErrors) counter(c metric.Int64ObservableCounter, err error) metric.Int64ObservableCounter {
	e.add(err)
	return c
}

// record measures a task that has just returned err.
func (m *telemetry) record(e *exec, err error, d time.Duration) {
	opts := recordCompleted
	switch {
	case e.panicked:
		opts = recordPanicked
	case err != nil:
		opts = recordFailed
	}
	m.duration.Record(e.task, d.Seconds(), opts...)
}

func (m *telemetry) scaled(d ScaleDecision) {
	if m.scale != nil {
		m.scale.Add(context.Background(), 1, metric.WithAttributes(attrReason.String(d.Reason)))
	}
}

// stop ends the callback: a reader that outlives the pool must not keep it alive.
func (m *telemetry) stop() error {
	if m.registration == nil {
		return nil
	}
	return m.registration.Unregister()
}

package repository

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// scope names the instrumentation of this package.
const scope = "github.com/fxpond/fxpond/modules/repository"

// Names of the instruments. Pool figures come from database/sql, read when a reader asks.
const (
	metricConnections = "fxpond.repository.connections"
	metricConnWait    = "fxpond.repository.connections.wait"
	metricFinds       = "fxpond.repository.coalesced.finds"
	metricQueries     = "fxpond.repository.coalesced.queries"
	metricSlots       = "fxpond.repository.coalesced.slots"
)

// telemetry counts what the dispatcher does; everything else is observed on demand.
type telemetry struct {
	provider     metric.MeterProvider
	finds        atomic.Int64
	queries      atomic.Int64
	registration metric.Registration
}

func (t *telemetry) register(d *DB) error {
	if t.provider == nil {
		t.provider = otel.GetMeterProvider()
	}
	meter := t.provider.Meter(scope)
	var errs [5]error
	var open, slots metric.Int64ObservableGauge
	var wait metric.Float64ObservableCounter
	var finds, queries metric.Int64ObservableCounter
	open, errs[0] = meter.Int64ObservableGauge(metricConnections, metric.WithUnit("{connection}"), metric.WithDescription("Open connections in use."))
	wait, errs[1] = meter.Float64ObservableCounter(metricConnWait, metric.WithUnit("s"), metric.WithDescription("Time spent waiting for a connection."))
	finds, errs[2] = meter.Int64ObservableCounter(metricFinds, metric.WithUnit("{find}"), metric.WithDescription("Finds that went through the loader."))
	queries, errs[3] = meter.Int64ObservableCounter(metricQueries, metric.WithUnit("{query}"), metric.WithDescription("Queries that answered them."))
	slots, errs[4] = meter.Int64ObservableGauge(metricSlots, metric.WithUnit("{slot}"), metric.WithDescription("Coalesced queries in flight."))
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	var err error
	t.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		stats := d.sql.Stats()
		o.ObserveInt64(open, int64(stats.InUse))
		o.ObserveFloat64(wait, stats.WaitDuration.Seconds())
		o.ObserveInt64(finds, t.finds.Load())
		o.ObserveInt64(queries, t.queries.Load())
		o.ObserveInt64(slots, int64(d.finds.inFlight()))
		return nil
	}, open, wait, finds, queries, slots)
	return err
}

func (t *telemetry) unregister() error {
	if t.registration == nil {
		return nil
	}
	return t.registration.Unregister()
}

// Stats is a snapshot of how finds were coalesced. Finds - Queries were saved.
type Stats struct {
	Finds   int64 // FindAsync and FindManyAsync ids outside transactions
	Queries int64 // queries that answered them
	Slots   int   // how many of those queries may run at once
	Busy    int   // how many run now
}

// Stats returns the loader's figures since the start.
func (d *DB) Stats() Stats {
	return Stats{Finds: d.tel.finds.Load(), Queries: d.tel.queries.Load(), Slots: d.cfg.Coalesce.Slots, Busy: d.finds.inFlight()}
}

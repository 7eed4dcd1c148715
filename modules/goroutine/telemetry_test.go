package goroutine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		p := startPool(t, Config{MaxWorkers: 2, QueueSize: 1}, WithMeterProvider(provider))
		g := newGate()
		p.Parallel(t.Context(), noop, failing, panicking)
		for range 3 {
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		_ = p.TryGo(t.Context(), noop)
		<-time.After(3 * time.Second)

		got := collect(t, reader)
		for name, want := range map[string]float64{
			"fxpond.pool.tasks{completed}":         1,
			"fxpond.pool.tasks{failed}":            2,
			"fxpond.pool.tasks{rejected}":          1,
			"fxpond.pool.tasks{abandoned}":         0,
			"fxpond.pool.tasks.panicked":           1,
			"fxpond.pool.tasks.running":            2,
			"fxpond.pool.tasks.waiting":            1,
			"fxpond.pool.tasks.oldest_wait":        3,
			"fxpond.pool.limit":                    2,
			"fxpond.pool.slots.active":             2,
			"fxpond.pool.slots.reserved":           0,
			"fxpond.pool.task.duration{completed}": 1,
			"fxpond.pool.task.duration{failed}":    1,
			"fxpond.pool.task.duration{panicked}":  1,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
			}
		}
		close(g.leave)
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if _, ok := collect(t, reader)["fxpond.pool.limit"]; ok {
			t.Error("a stopped pool is still observed")
		}
	})
}

// collect returns each value by its name and outcome; a histogram's is its count.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	put := func(name string, attrs attribute.Set, v float64) {
		if outcome, ok := attrs.Value(attrOutcome); ok {
			name += "{" + outcome.AsString() + "}"
		}
		got[name] = v
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, dp := range data.DataPoints {
					put(m.Name, dp.Attributes, float64(dp.Value))
				}
			case metricdata.Gauge[int64]:
				for _, dp := range data.DataPoints {
					put(m.Name, dp.Attributes, float64(dp.Value))
				}
			case metricdata.Gauge[float64]:
				for _, dp := range data.DataPoints {
					put(m.Name, dp.Attributes, dp.Value)
				}
			case metricdata.Histogram[float64]:
				for _, dp := range data.DataPoints {
					put(m.Name, dp.Attributes, float64(dp.Count))
				}
			}
		}
	}
	return got
}

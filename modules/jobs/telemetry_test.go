package jobs_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

// counts reads all counters, by name and labels.
func counts(t *testing.T, reader *metric.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	must(t, reader.Collect(t.Context(), &all))
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				t.Fatalf("%s is no counter", m.Name)
			}
			for _, point := range sum.DataPoints {
				got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
			}
		}
	}
	return got
}

func TestWhatTheBusDoesNotTellIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		job := jobs.New[int]("job", jobs.UniqueFor(time.Hour))
		fragile := jobs.New[int]("fragile", jobs.MaxAttempts(2), jobs.Backoff(time.Second))
		elsewhere := jobs.New[int]("elsewhere")
		r := newRig(t, rigConfig{
			handlers: []jobs.Handler{
				job.Handler(func(context.Context, int) error { return nil }),
				fragile.Handler(func(context.Context, int) error { return errDown },
					events.Breaker(goroutine.BreakerConfig{Failures: 1, OpenFor: time.Minute})),
			},
			options: []jobs.DispatcherOption{jobs.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))},
		})
		must(t, r.Dispatch(t.Context(), job.New(1, jobs.Delay(20*time.Minute)), job.New(1), job.New(2), elsewhere.New(3)))
		r.queue.messages = r.queue.messages[:2] // nobody handles elsewhere here
		must(t, r.Dispatch(t.Context(), jobs.Chain(job.New(4), elsewhere.New(5))))
		r.queue.deliver(t.Context(), r.bus)     // job 2
		r.queue.deliver(t.Context(), r.bus)     // job 4
		r.queue.messages = r.queue.messages[:1] // job 1 is left, not elsewhere
		r.queue.deliver(t.Context(), r.bus)     // its hop
		r.queue.messages = nil
		must(t, awaitError(r.DispatchAsync(t.Context(), job.New(6))))
		must(t, r.Dispatch(t.Context(), fragile.New(7)))
		r.consume()
		want := map[string]int64{
			"fxpond.job.dispatched fxpond.event.name=job.job,fxpond.job.destination=queue":       3,
			"fxpond.job.dispatched fxpond.event.name=job.elsewhere,fxpond.job.destination=queue": 1,
			"fxpond.job.dispatched fxpond.event.name=_other,fxpond.job.destination=queue":        1,
			"fxpond.job.dispatched fxpond.event.name=job.fragile,fxpond.job.destination=queue":   1,
			"fxpond.job.dispatched fxpond.event.name=job.job,fxpond.job.destination=process":     1,
			"fxpond.job.duplicates fxpond.event.name=job.job":                                    1,
			"fxpond.job.postponed fxpond.event.name=job.job,fxpond.reason=not_due":               1,
			"fxpond.job.postponed fxpond.event.name=job.fragile,fxpond.reason=breaker":           2, // it arrives when the minute is just not over
			"fxpond.job.failed fxpond.event.name=job.fragile":                                    1,
		}
		if got := counts(t, reader); !maps.Equal(got, want) {
			t.Errorf("counted\n%v\nwant\n%v", got, want)
		}
	})
}

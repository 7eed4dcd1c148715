package events_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// What a dispatch to eight listeners that do nothing costs over the bare join
// of eight functions on the same pool. The bar: at most 1.3 x Pool.Parallel. The
// bus itself joins with Pool.ParallelN, so the ratio to that one shows what the
// bus adds. All take turns, and the medians of their rounds are compared, so that
// whatever else the machine does happens to all.
func BenchmarkDispatchOverParallel(b *testing.B) {
	b.Run("plain bus", func(b *testing.B) {
		pool := startPool(b)
		against(b, pool, newBusOn(b, pool, events.Config{}, noopListeners()))
	})
	b.Run("Fx app", func(b *testing.B) {
		var pool *goroutine.Pool
		var bus *events.Bus
		app := fxtest.New(b, fx.NopLogger, goroutine.Module, events.Module, fx.Populate(&pool, &bus),
			fx.Provide(events.AsListener(noopListeners)))
		app.RequireStart()
		b.Cleanup(app.RequireStop)
		against(b, pool, bus)
	})
	b.Run("wildcards", func(b *testing.B) {
		pool := startPool(b)
		var all []events.Listener
		for i, pattern := range []string{"user.*", "user.**", "*.created", "**", "user.*", "user.**", "*.created", "**"} {
			all = append(all, events.On(pattern, string(rune('a'+i)), noop[user]))
		}
		against(b, pool, newBusOn(b, pool, events.Config{}, all))
	})
	b.Run("metrics SDK", func(b *testing.B) {
		pool := startPool(b)
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		against(b, pool, newBusOn(b, pool, events.Config{}, noopListeners(), events.WithMeterProvider(provider)))
	})
}

func noopListeners() []events.Listener {
	all := make([]events.Listener, listeners)
	for i := range all {
		all[i] = userCreated.Listener(string(rune('a'+i)), noop[user])
	}
	return all
}

func newBusOn(b *testing.B, pool *goroutine.Pool, cfg events.Config, all []events.Listener, opts ...events.Option) *events.Bus {
	b.Helper()
	bus, err := events.NewBus(cfg, pool, all, opts...)
	if err != nil {
		b.Fatal(err)
	}
	return bus
}

// against measures the bus against its pool, a round per iteration.
func against(b *testing.B, pool *goroutine.Pool, bus *events.Bus) {
	b.Helper()
	ctx := context.Background()
	fns := make([]func(context.Context) error, listeners)
	for i := range fns {
		fns[i] = func(context.Context) error { return nil }
	}
	e := userCreated.New(ada)
	index := func(context.Context, int) error { return nil }
	var bare, bareN, dispatch rounds
	for b.Loop() {
		bare.measure(func() {
			for _, err := range pool.Parallel(ctx, fns...) {
				if err != nil {
					b.Fatal(err)
				}
			}
		})
		bareN.measure(func() {
			if errs := pool.ParallelN(ctx, listeners, index); errs != nil {
				b.Fatal(errs)
			}
		})
		dispatch.measure(func() {
			if err := bus.Dispatch(ctx, e); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(bare.wall), "ns/Parallel")
	b.ReportMetric(median(bareN.wall), "ns/ParallelN")
	b.ReportMetric(median(dispatch.wall), "ns/Dispatch")
	b.ReportMetric(median(over(dispatch.wall, bare.wall)), "x-wall")
	b.ReportMetric(median(over(dispatch.cpu, bare.cpu)), "x-cpu")
	b.ReportMetric(median(over(dispatch.wall, bareN.wall)), "x-wall-N")
}

// rounds are the nanoseconds that one call took in each round, by the clock and
// of the processors.
type rounds struct{ wall, cpu []float64 }

func (r *rounds) measure(call func()) {
	const calls = 20_000 // several cycles of the garbage collector
	began, spent := time.Now(), processorTime()
	for range calls {
		call()
	}
	r.wall = append(r.wall, float64(time.Since(began))/calls)
	r.cpu = append(r.cpu, float64(processorTime()-spent)/calls)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// over divides the rounds of one by those of the other.
func over(one, other []float64) []float64 {
	ratios := make([]float64, len(one))
	for i := range one {
		ratios[i] = one[i] / other[i]
	}
	return ratios
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

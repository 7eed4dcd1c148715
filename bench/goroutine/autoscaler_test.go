package goroutine_test

import (
	"context"
	"flag"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/goroutine"
)

var autoscaler = flag.Bool("autoscaler", false, "measure the autoscaler against fixed limits on four loads (2 minutes)")

const (
	settle  = 3 * time.Second
	measure = 3 * time.Second
	clients = 200
)

// TestAutoscaler prints, for four loads, the throughput of fixed limits and of the autoscaler:
//
//	go test ./goroutine -run TestAutoscaler -autoscaler -v
//
// It fails if the autoscaler has less than 70 % of the best fixed limit's throughput, or settles on
// more than twice the downstream's 16.
func TestAutoscaler(t *testing.T) {
	if !*autoscaler {
		t.Skip("set -autoscaler")
	}
	downstream := make(chan struct{}, 16)
	procs := runtime.GOMAXPROCS(0)
	loads := []struct {
		name string
		most int // the limit that the autoscaler may settle on; 0 for any
		task func()
	}{
		{"200us CPU", 0, func() { compute(200 * time.Microsecond) }},
		{"5ms sleep", 0, func() { pause(5 * time.Millisecond) }},
		{"5ms behind 16 slots", 32, func() {
			downstream <- struct{}{}
			pause(5 * time.Millisecond)
			<-downstream
		}},
		{"50us CPU + 5ms sleep", 0, func() { compute(50 * time.Microsecond); pause(5 * time.Millisecond) }},
	}
	calibrate(t)
	t.Logf("%-22s %-12s %10s %6s %10s %10s", "load", "limit", "tasks/s", "limit", "p50", "p99")
	for _, load := range loads {
		best := 0.0
		for _, limit := range []int{2 * procs, 16, 64 * procs} {
			r := drive(t, goroutine.Config{MaxWorkers: limit, DisableAutoscaler: true}, load.task)
			best = max(best, r.rate)
			t.Logf("%-22s %-12s %10.0f %6d %10v %10v", load.name, "fixed", r.rate, r.limit, r.p50, r.p99)
		}
		r := drive(t, goroutine.Config{}, load.task)
		t.Logf("%-22s %-12s %10.0f %6d %10v %10v  %.0f %% of the best", load.name, "autoscaled", r.rate, r.limit, r.p50, r.p99, 100*r.rate/best)
		if r.rate < 0.7*best {
			t.Errorf("%s: %.0f/s, the best fixed limit has %.0f/s", load.name, r.rate, best)
		}
		if load.most > 0 && r.limit > load.most {
			t.Errorf("%s: limit %d, want at most %d", load.name, r.limit, load.most)
		}
	}
}

type result struct {
	rate     float64
	limit    int // the median while it was measured
	p50, p99 time.Duration
}

// drive runs a closed loop: each client submits a task, waits for it, and goes on.
func drive(t *testing.T, cfg goroutine.Config, task func()) result {
	t.Helper()
	p := startPool(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				f := goroutine.Async(context.Background(), p, func(context.Context) (struct{}, error) { task(); return struct{}{}, nil })
				_, _ = f.Await(context.Background())
			}
		})
	}
	pause(settle)
	before, start := p.Stats(), time.Now()
	var limits []int
	for time.Since(start) < measure {
		pause(50 * time.Millisecond)
		limits = append(limits, p.Stats().Limit)
	}
	after, elapsed := p.Stats(), time.Since(start)
	cancel()
	wg.Wait()
	slices.Sort(limits)
	return result{
		rate:  float64(after.Completed-before.Completed) / elapsed.Seconds(),
		limit: limits[len(limits)/2],
		p50:   after.P50.Round(10 * time.Microsecond),
		p99:   after.P99.Round(10 * time.Microsecond),
	}
}

func pause(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

var (
	loopsPerMicrosecond float64
	sink                atomic.Uint64
)

// calibrate finds out how much work a microsecond of an idle processor is.
func calibrate(t *testing.T) {
	t.Helper()
	const loops = 5_000_000
	best := time.Hour
	for range 5 {
		start := time.Now()
		sink.Store(burn(loops))
		best = min(best, time.Since(start))
	}
	loopsPerMicrosecond = loops / (float64(best) / float64(time.Microsecond))
	t.Logf("%d processors, %.0f loops a microsecond", runtime.GOMAXPROCS(0), loopsPerMicrosecond)
}

func compute(d time.Duration) {
	sink.Store(burn(int(loopsPerMicrosecond * float64(d) / float64(time.Microsecond))))
}

//go:noinline
func burn(loops int) uint64 {
	x := uint64(loops)
	for range loops {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

package goroutine

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// feed gives the scaler n equal ticks at a steady throughput and returns the last limit and the last reason.
func feed(s *scaler, at *sample, ticks int, perTick func(limit int) float64) (reasons []string) {
	var done float64
	for range ticks {
		done += perTick(at.limit)
		at.completed += uint64(done)
		done -= float64(uint64(done))
		limit, reason := s.decide(*at, 600)
		if reason != "" {
			reasons = append(reasons, reason)
			at.limit = limit
		}
	}
	return reasons
}

func at(limit int) *sample {
	return &sample{waiting: 10, busy: limit, procs: 2, limit: limit, bounds: bounds{floor: 3, start: 4, ceiling: 128}}
}

func knee(k int) func(int) float64 {
	return func(limit int) float64 { return 10 * float64(min(limit, k)) }
}

func TestScaler(t *testing.T) {
	t.Run("grows to the ceiling while throughput follows", func(t *testing.T) {
		s, now := &scaler{}, at(4)
		feed(s, now, 40, knee(1000))
		if now.limit != 128 {
			t.Errorf("limit %d after 2 s", now.limit)
		}
	})
	t.Run("grows at once for slow tasks", func(t *testing.T) {
		s, now := &scaler{}, at(4)
		feed(s, now, 40, func(limit int) float64 { return float64(limit) / 20 }) // a second each
		if now.limit != 128 {
			t.Errorf("limit %d after 2 s", now.limit)
		}
	})
	t.Run("does not try with less than the user set", func(t *testing.T) {
		s, now := &scaler{}, at(64)
		now.start, now.ceiling = 64, 64
		if reasons := feed(s, now, 2000, knee(1000)); len(reasons) > 0 {
			t.Errorf("moved a limit that the load fills: %v", reasons)
		}
	})
	t.Run("settles near the knee", func(t *testing.T) {
		for _, k := range []int{5, 10, 16, 23, 40, 90} {
			s, now := &scaler{}, at(4)
			feed(s, now, 200, knee(k))
			const ticks = 1200
			var used, sum int
			for range ticks {
				feed(s, now, 1, knee(k))
				used += min(now.limit, k)
				sum += now.limit
			}
			if share := float64(used) / float64(ticks*k); share < 0.8 {
				t.Errorf("knee %d: %.0f %% of its throughput", k, 100*share)
			}
			if mean := float64(sum) / ticks; mean > 1.7*float64(k) {
				t.Errorf("knee %d: mean limit %.1f", k, mean)
			}
		}
	})
	t.Run("is not misled by a machine that stalls", func(t *testing.T) {
		for seed := range uint64(20) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			stalls := func(k int) func(int) float64 {
				late := 0.0
				return func(limit int) float64 {
					n := knee(k)(limit)*(0.7+0.6*rnd.Float64()) + late
					late = 0
					if rnd.IntN(5) == 0 { // some of it comes a tick later
						late = n / 2
						n -= late
					}
					return n
				}
			}
			s, now := &scaler{}, at(4)
			feed(s, now, 100, stalls(1000))
			sum := 0
			for range 1200 {
				feed(s, now, 1, stalls(1000))
				sum += now.limit
			}
			if mean := sum / 1200; mean < 90 {
				t.Errorf("seed %d: mean limit %d of 128", seed, mean)
			}
			s, now = &scaler{}, at(4)
			feed(s, now, 100, stalls(16))
			sum = 0
			for range 1200 {
				feed(s, now, 1, stalls(16))
				sum += now.limit
			}
			if mean := sum / 1200; mean < 12 || mean > 32 {
				t.Errorf("seed %d: mean limit %d, the knee is 16", seed, mean)
			}
		}
	})
	t.Run("follows a knee that falls", func(t *testing.T) {
		s, now := &scaler{}, at(4)
		feed(s, now, 200, knee(100))
		feed(s, now, 2400, knee(10))
		if now.limit > 20 {
			t.Errorf("limit %d", now.limit)
		}
	})
	t.Run("does not grow while goroutines wait for processors", func(t *testing.T) {
		s, now := &scaler{}, at(4)
		now.runnable = 5 // of 2 processors
		feed(s, now, 20, knee(1000))
		if reasons := feed(s, now, 100, knee(1000)); len(reasons) != 0 {
			t.Errorf("moved: %v", reasons)
		}
	})
	t.Run("shrinks to the floor when the processors are saturated", func(t *testing.T) {
		s, now := &scaler{}, at(64)
		now.runnable = 60
		feed(s, now, 60, knee(1000))
		if now.limit != now.floor {
			t.Errorf("limit %d", now.limit)
		}
	})
	t.Run("concludes nothing while nothing waits", func(t *testing.T) {
		s, now := &scaler{}, at(8)
		now.waiting = 0
		if reasons := feed(s, now, 599, knee(1000)); len(reasons) != 0 {
			t.Errorf("moved: %v", reasons)
		}
	})
	t.Run("gives back an unused limit after the idle time-out", func(t *testing.T) {
		s, now := &scaler{}, at(64)
		now.waiting, now.busy = 0, 10
		feed(s, now, 600, knee(1000))
		if now.limit != 20 {
			t.Errorf("limit %d, busy were 10", now.limit)
		}
		now.busy = 0
		feed(s, now, 600, knee(1000))
		if now.limit != now.start {
			t.Errorf("limit %d", now.limit)
		}
	})
	t.Run("returns to the start when the processors are free again", func(t *testing.T) {
		s, now := &scaler{}, at(4)
		now.limit, now.waiting = 3, 0
		if reasons := feed(s, now, 600, knee(1000)); now.limit != 4 || len(reasons) != 1 || reasons[0] != reasonRelieved {
			t.Errorf("limit %d: %v", now.limit, reasons)
		}
	})
	t.Run("grows slowly while nothing is done at all", func(t *testing.T) {
		s, now := &scaler{}, at(4)
		feed(s, now, windowTicksMax-1, func(int) float64 { return 0 })
		if now.limit != 4 {
			t.Errorf("limit %d", now.limit)
		}
		feed(s, now, 10*windowTicksMax, func(int) float64 { return 0 })
		if now.limit != 128 {
			t.Errorf("limit %d", now.limit)
		}
	})
	t.Run("follows a ceiling that falls", func(t *testing.T) {
		s, now := &scaler{}, at(64)
		now.ceiling = 10
		feed(s, now, 1, knee(1000))
		if now.limit != 10 {
			t.Errorf("limit %d", now.limit)
		}
	})
}

// machine simulates processors in a bubble: work takes one of them for a while, so that what waits for
// one is what the runtime would call runnable.
type machine struct {
	processors chan struct{}
	runnable   atomic.Int64
}

func newMachine(n int) *machine { return &machine{processors: make(chan struct{}, n)} }

func (m *machine) compute(d time.Duration) {
	m.runnable.Add(1)
	m.processors <- struct{}{}
	m.runnable.Add(-1)
	<-time.After(d)
	<-m.processors
}

// The autoscaler, on real pools in simulated time, against fixed limits, of which each load has its best
// one here.
func TestAutoscalerFindsTheLimitOfEachLoad(t *testing.T) {
	if raceEnabled {
		t.Skip("millions of simulated tasks; the race detector sees the same code in every other test")
	}
	loads := map[string]struct {
		task func(m *machine, downstream chan struct{})
		most int // the highest limit allowed after it has settled; 0 for any
	}{
		"processor":  {func(m *machine, _ chan struct{}) { m.compute(200 * time.Microsecond) }, 12},
		"sleep":      {func(*machine, chan struct{}) { <-time.After(5 * time.Millisecond) }, 0},
		"downstream": {func(_ *machine, d chan struct{}) { d <- struct{}{}; <-time.After(5 * time.Millisecond); <-d }, 32},
		"mixed": {func(m *machine, _ chan struct{}) {
			m.compute(50 * time.Microsecond)
			<-time.After(5 * time.Millisecond)
		}, 0},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			best := 0.0
			for _, limit := range []int{4, 16, 128} {
				rate, _ := simulate(t, Config{MaxWorkers: limit, DisableAutoscaler: true}, load.task)
				best = max(best, rate)
			}
			rate, limit := simulate(t, Config{}, load.task)
			t.Logf("%.0f/s at limit %d, best fixed limit %.0f/s", rate, limit, best)
			if rate < 0.7*best {
				t.Errorf("%.0f/s, best fixed limit %.0f/s", rate, best)
			}
			if load.most > 0 && limit > load.most {
				t.Errorf("limit %d, want at most %d", limit, load.most)
			}
		})
	}
}

func simulate(t *testing.T, cfg Config, task func(*machine, chan struct{})) (rate float64, limit int) {
	synctest.Test(t, func(t *testing.T) {
		m, downstream := newMachine(2), make(chan struct{}, 16)
		p, err := NewPool(cfg, func(p *Pool) {
			p.control.procs = func() int { return cap(m.processors) }
			p.control.runnable = func() int { return int(m.runnable.Load()) }
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 200 { // a closed loop
			go func() {
				for ctx.Err() == nil {
					f := Async(ctx, p, func(context.Context) (int, error) { task(m, downstream); return 0, nil })
					_, _ = f.Await(context.WithoutCancel(ctx))
				}
			}()
		}
		<-time.After(3 * time.Second)
		before := p.Stats().Completed
		<-time.After(2 * time.Second)
		s := p.Stats()
		rate, limit = float64(s.Completed-before)/2, s.Limit
		cancel()
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rate, limit
}

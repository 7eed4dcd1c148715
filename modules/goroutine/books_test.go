package goroutine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// chaos returns a task that ends in every way a task can, and calls its own pool in every way.
func chaos(p *Pool, rnd *rand.Rand, depth int) func(context.Context) error {
	kind := rnd.IntN(12)
	seed := rnd.Uint64()
	return func(ctx context.Context) error {
		rnd := rand.New(rand.NewPCG(seed, seed))
		if depth == 0 {
			kind %= 6
		}
		switch kind {
		case 0:
			return errors.New("failed")
		case 1:
			panic("panicked")
		case 2:
			runtime.Goexit()
		case 3:
			<-time.After(time.Duration(rnd.IntN(1000)) * time.Microsecond)
		case 4:
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
		case 6:
			return errors.Join(p.Parallel(ctx, chaos(p, rnd, depth-1), chaos(p, rnd, depth-1), chaos(p, rnd, depth-1))...)
		case 7:
			ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(500))*time.Microsecond)
			defer cancel()
			return errors.Join(p.Parallel(ctx, chaos(p, rnd, depth-1), chaos(p, rnd, depth-1))...)
		case 8:
			return p.Go(ctx, chaos(p, rnd, depth-1))
		case 9:
			return p.TryGo(ctx, chaos(p, rnd, depth-1))
		case 10:
			fn := chaos(p, rnd, depth-1)
			f := Async(ctx, p, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
			_, err := f.Await(ctx)
			return err
		case 11:
			fn := chaos(p, rnd, depth-1)
			ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(500))*time.Microsecond)
			defer cancel()
			f := Async(ctx, p, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
			_, err := f.Await(ctx)
			return err
		}
		return nil
	}
}

// Whatever tasks do and whenever the pool is stopped, the books balance at every moment, every future
// resolves, and nothing is left over.
func TestBooksBalanceUnderRandomFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := Config{
			MinWorkers: rapid.SampledFrom([]int{-1, 1}).Draw(rt, "min"),
			MaxWorkers: rapid.IntRange(1, 4).Draw(rt, "max"),
			QueueSize:  rapid.SampledFrom([]int{-1, 1, 3, 100}).Draw(rt, "queue"),
		}
		cfg.ShutdownTimeout = time.Duration(rapid.IntRange(1, 200).Draw(rt, "patience")) * 100 * time.Microsecond
		seed := rapid.Uint64().Draw(rt, "seed")
		work := rapid.IntRange(0, 40).Draw(rt, "work")
		synctest.Test(t, func(t *testing.T) { runChaos(t, cfg, seed, work) })
	})
}

func runChaos(t *testing.T, cfg Config, seed uint64, work int) {
	p, err := NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			for range work {
				fn := chaos(p, rnd, 3)
				switch rnd.IntN(5) {
				case 0:
					_ = p.Go(t.Context(), fn)
				case 1:
					_ = p.TryGo(t.Context(), fn)
				case 2:
					f := Async(t.Context(), p, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
					_, _ = f.Await(t.Context())
				case 3:
					exits := make(chan struct{})
					go func() { defer close(exits); p.Parallel(t.Context(), fn, chaos(p, rnd, 2)) }()
					<-exits
				case 4:
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					if r, err := p.Reserve(ctx, 2); err == nil {
						_ = r.Go(t.Context(), fn)
						r.Release()
					}
					cancel()
				}
				checkBooks(t, p.Stats())
			}
		})
	}
	<-time.After(time.Duration(seed%20) * time.Millisecond)
	err = p.Stop(t.Context())
	s := p.Stats()
	checkBooks(t, s)
	var abandoned *AbandonedError
	if errors.As(err, &abandoned) != (s.Abandoned > 0) || abandoned != nil && uint64(len(abandoned.Tasks)) != s.Abandoned {
		t.Errorf("%d abandoned, reported: %v", s.Abandoned, err)
	}
	wg.Wait()
	<-time.After(time.Second) // what was abandoned ends some day
	synctest.Wait()
	s = p.Stats()
	checkBooks(t, s)
	if s.Workers != 0 || s.Waiting != 0 || s.Running != 0 || s.ActiveWorkers != 0 || s.Lent != 0 || s.Reserved != 0 || s.Helping != 0 {
		t.Errorf("left over: %+v", s)
	}
}

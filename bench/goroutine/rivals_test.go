package goroutine_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// submitter runs fn, for which nobody waits, on a bounded number of goroutines, once per submit.
type submitter struct {
	name   string
	queues bool // lets tasks wait without a goroutine, or bounds nothing
	open   func(tb testing.TB, limit, queue int, fn func()) (submit, wait func())
}

var submitters = []submitter{
	{"fxpond", true, func(tb testing.TB, limit, queue int, fn func()) (func(), func()) {
		p := startPool(tb, goroutine.Config{MaxWorkers: limit, QueueSize: queue, DisableAutoscaler: true, ShutdownTimeout: -1})
		ctx := context.Background()
		task := func(context.Context) error { fn(); return nil }
		return func() { _ = p.Go(ctx, task) }, func() { _ = p.Stop(ctx) }
	}},
	// The same, each task with a context of its own, as in a service that handles requests.
	{"fxpond-contexts", false, func(tb testing.TB, limit, queue int, fn func()) (func(), func()) {
		p := startPool(tb, goroutine.Config{MaxWorkers: limit, QueueSize: queue, DisableAutoscaler: true, ShutdownTimeout: -1})
		task := func(context.Context) error { fn(); return nil }
		contexts := make([]context.Context, 1024)
		for i := range contexts {
			contexts[i] = context.WithValue(context.Background(), key{}, i)
		}
		var next atomic.Uint32
		return func() { _ = p.Go(contexts[next.Add(1)%1024], task) }, func() { _ = p.Stop(context.Background()) }
	}},
	{"pond", true, func(_ testing.TB, limit, queue int, fn func()) (func(), func()) {
		p := pond.NewPool(limit, pond.WithQueueSize(queue))
		return func() { _ = p.Go(fn) }, p.StopAndWait
	}},
	{"pond-unbounded", true, func(_ testing.TB, limit, _ int, fn func()) (func(), func()) {
		p := pond.NewPool(limit)
		return func() { _ = p.Go(fn) }, p.StopAndWait
	}},
	{"ants", false, func(tb testing.TB, limit, _ int, fn func()) (func(), func()) {
		p, err := ants.NewPool(limit)
		if err != nil {
			tb.Fatal(err)
		}
		var wg sync.WaitGroup
		task := func() { defer wg.Done(); fn() }
		return func() {
			wg.Add(1)
			_ = p.Submit(task)
		}, func() { wg.Wait(); p.Release() }
	}},
	{"conc", false, func(_ testing.TB, limit, _ int, fn func()) (func(), func()) {
		p := concpool.New().WithMaxGoroutines(limit)
		return func() { p.Go(fn) }, p.Wait
	}},
	{"errgroup", false, func(_ testing.TB, limit, _ int, fn func()) (func(), func()) {
		var g errgroup.Group
		g.SetLimit(limit)
		task := func() error { fn(); return nil }
		return func() { g.Go(task) }, func() { _ = g.Wait() }
	}},
	{"goroutines", true, func(_ testing.TB, _, _ int, fn func()) (func(), func()) {
		var wg sync.WaitGroup
		return func() { wg.Go(fn) }, wg.Wait
	}},
}

type key struct{}

// joiner runs functions at the same time and waits for their errors.
type joiner struct {
	name    string
	bounded bool
	open    func(tb testing.TB, limit int) func(ctx context.Context, fns []func(context.Context) error) []error
}

var joiners = []joiner{
	{"fxpond", true, func(tb testing.TB, limit int) func(context.Context, []func(context.Context) error) []error {
		p := startPool(tb, goroutine.Config{MaxWorkers: limit, DisableAutoscaler: true})
		return func(ctx context.Context, fns []func(context.Context) error) []error { return p.Parallel(ctx, fns...) }
	}},
	{"goroutines", false, func(testing.TB, int) func(context.Context, []func(context.Context) error) []error {
		return func(ctx context.Context, fns []func(context.Context) error) []error {
			errs := make([]error, len(fns))
			var wg sync.WaitGroup
			for i, fn := range fns {
				wg.Go(func() { errs[i] = fn(ctx) })
			}
			wg.Wait()
			return errs
		}
	}},
	{"pond-group", true, func(_ testing.TB, limit int) func(context.Context, []func(context.Context) error) []error {
		p := pond.NewPool(limit)
		return func(ctx context.Context, fns []func(context.Context) error) []error {
			errs := make([]error, len(fns))
			g := p.NewGroupContext(ctx)
			for i, fn := range fns {
				g.Submit(func() { errs[i] = fn(ctx) })
			}
			_ = g.Wait()
			return errs
		}
	}},
	{"pond-go", true, func(_ testing.TB, limit int) func(context.Context, []func(context.Context) error) []error {
		p := pond.NewPool(limit)
		return func(ctx context.Context, fns []func(context.Context) error) []error {
			errs := make([]error, len(fns))
			var wg sync.WaitGroup
			wg.Add(len(fns))
			for i, fn := range fns {
				_ = p.Go(func() { defer wg.Done(); errs[i] = fn(ctx) })
			}
			wg.Wait()
			return errs
		}
	}},
	{"ants", true, func(tb testing.TB, limit int) func(context.Context, []func(context.Context) error) []error {
		p, err := ants.NewPool(limit)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(p.Release)
		return func(ctx context.Context, fns []func(context.Context) error) []error {
			errs := make([]error, len(fns))
			var wg sync.WaitGroup
			wg.Add(len(fns))
			for i, fn := range fns {
				_ = p.Submit(func() { defer wg.Done(); errs[i] = fn(ctx) })
			}
			wg.Wait()
			return errs
		}
	}},
	{"conc", false, func(testing.TB, int) func(context.Context, []func(context.Context) error) []error {
		return func(ctx context.Context, fns []func(context.Context) error) []error {
			errs := make([]error, len(fns))
			var wg conc.WaitGroup
			for i, fn := range fns {
				wg.Go(func() { errs[i] = fn(ctx) })
			}
			wg.Wait()
			return errs
		}
	}},
	{"errgroup", true, func(_ testing.TB, limit int) func(context.Context, []func(context.Context) error) []error {
		return func(ctx context.Context, fns []func(context.Context) error) []error {
			errs := make([]error, len(fns))
			var g errgroup.Group
			g.SetLimit(limit)
			for i, fn := range fns {
				g.Go(func() error { errs[i] = fn(ctx); return nil })
			}
			_ = g.Wait()
			return errs
		}
	}},
}

func startPool(tb testing.TB, cfg goroutine.Config) *goroutine.Pool {
	tb.Helper()
	p, err := goroutine.NewPool(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

package goroutine

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestFutureAlwaysResolves(t *testing.T) {
	why := errors.New("why")
	for name, c := range map[string]struct {
		fn    func(ctx context.Context) (int, error)
		setup func(t *testing.T, p *Pool, cancel context.CancelCauseFunc) // before Async
		after func(t *testing.T, p *Pool, cancel context.CancelCauseFunc)
		want  error
	}{
		"value":  {fn: func(context.Context) (int, error) { return 7, nil }},
		"error":  {fn: func(context.Context) (int, error) { return 0, errFlaky }, want: errFlaky},
		"panic":  {fn: func(context.Context) (int, error) { panic(errFlaky) }, want: errFlaky},
		"goexit": {fn: func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, want: ErrGoexit},
		"nil":    {want: errNilFunc},
		"cancelled before the start": {
			fn:    func(context.Context) (int, error) { return 0, errors.New("must not run") },
			setup: func(_ *testing.T, _ *Pool, cancel context.CancelCauseFunc) { cancel(why) },
			want:  why,
		},
		"cancelled while it runs": {
			fn:    func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) },
			after: func(_ *testing.T, _ *Pool, cancel context.CancelCauseFunc) { synctest.Wait(); cancel(why) },
			want:  why,
		},
		"stopped while it waits": {
			fn: func(context.Context) (int, error) { return 0, errors.New("must not run") },
			setup: func(t *testing.T, p *Pool, _ context.CancelCauseFunc) {
				for range 2 {
					if err := p.Go(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return nil }); err != nil {
						t.Error(err)
					}
				}
			},
			after: func(t *testing.T, p *Pool, _ context.CancelCauseFunc) {
				synctest.Wait()
				var abandoned *AbandonedError
				if err := p.Stop(t.Context()); !errors.As(err, &abandoned) || len(abandoned.Tasks) != 1 {
					t.Error(err)
				}
			},
			want: ErrStopped,
		},
		"rejected": {
			fn: func(context.Context) (int, error) { return 0, errors.New("must not run") },
			setup: func(t *testing.T, p *Pool, _ context.CancelCauseFunc) {
				if err := p.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			},
			want: ErrStopped,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := NewPool(Config{MaxWorkers: 2})
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if c.setup != nil {
					c.setup(t, p, cancel)
				}
				f := Async(ctx, p, c.fn)
				done := f.Done()
				if c.after != nil {
					c.after(t, p, cancel)
				}
				<-done
				<-f.Done()
				v, err := f.Await(context.Background())
				if !errors.Is(err, c.want) || c.want == nil && v != 7 {
					t.Errorf("got %v, %v; want %v", v, err, c.want)
				}
				if pv, perr, ok := f.Poll(); !ok || pv != v || !errors.Is(perr, c.want) {
					t.Errorf("poll: %v, %v, %v", pv, perr, ok)
				}
				_ = p.Stop(t.Context())
				checkBooks(t, p.Stats())
			})
		})
	}
}

func TestAwaitReturnsWhenItsOwnContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1})
		g := newGate()
		f := Async(t.Context(), p, func(ctx context.Context) (int, error) { return 1, g.task(ctx) })
		queued := Async(t.Context(), p, func(context.Context) (int, error) { return 2, nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := queued.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, _, ok := f.Poll(); ok {
			t.Error("resolved too early")
		}
		close(g.leave)
		if v, err := All(t.Context(), f, queued); err != nil || v[0] != 1 || v[1] != 2 {
			t.Error(v, err)
		}
	})
}

// Each task awaits the next one, on one worker, in every way of awaiting: helping, and lending its slot
// because its own patience is shorter or because the future is running.
func TestNestedAwaitsOnOneWorker(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1, QueueSize: 1})
	var nest func(ctx context.Context, depth int) (int, error)
	nest = func(ctx context.Context, depth int) (int, error) {
		if depth == 0 {
			return 1, nil
		}
		f := Async(ctx, p, func(ctx context.Context) (int, error) { return nest(ctx, depth-1) })
		other := Async(ctx, p, func(ctx context.Context) (int, error) { return nest(ctx, depth-1) })
		if depth%2 == 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Minute)
			defer cancel()
		}
		a, err := f.Await(ctx)
		if err != nil {
			return 0, err
		}
		b, err := other.Await(ctx)
		return a + b, err
	}
	if n, err := Async(t.Context(), p, func(ctx context.Context) (int, error) { return nest(ctx, 8) }).Await(t.Context()); n != 256 || err != nil {
		t.Error(n, err)
	}
}

// Two pools of one worker each that wait for each other's tasks.
func TestPoolsThatAwaitEachOther(t *testing.T) {
	a, b := startPool(t, Config{MaxWorkers: 1}), startPool(t, Config{MaxWorkers: 1})
	var nest func(ctx context.Context, p, q *Pool, depth int) (int, error)
	nest = func(ctx context.Context, p, q *Pool, depth int) (int, error) {
		if depth == 0 {
			return 1, nil
		}
		inner := func(ctx context.Context) (int, error) { return nest(ctx, q, p, depth-1) }
		v, err := Async(ctx, p, inner).Await(ctx)
		if err != nil {
			return 0, err
		}
		errs := q.Parallel(ctx, func(ctx context.Context) error { _, err := inner(ctx); return err })
		return v, errs[0]
	}
	if v, err := nest(t.Context(), a, b, 6); v != 1 || err != nil {
		t.Error(v, err)
	}
}

// The only worker's task awaits what another task of the pool resolves later.
func TestAFutureWithoutATaskIsAwaitedWithoutHoldingTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1})
		f, resolve := NewFuture[int](p)
		if _, _, resolved := f.Poll(); resolved {
			t.Error("resolved from the start")
		}
		waits := Async(t.Context(), p, func(ctx context.Context) (int, error) { return f.Await(ctx) })
		synctest.Wait()
		if err := p.Go(t.Context(), func(context.Context) error {
			resolve(7, errFlaky)
			resolve(8, nil) // too late
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, f := range []*Future[int]{waits, f} {
			if v, err := f.Await(t.Context()); v != 7 || !errors.Is(err, errFlaky) {
				t.Errorf("got %d, %v", v, err)
			}
		}
		if v, err := Any(t.Context(), f); v != 0 || !errors.Is(err, errFlaky) {
			t.Errorf("any: %d, %v", v, err)
		}
	})
}

package goroutine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestGoRunsWithTheCallersValuesButNotItsCancellation(t *testing.T) {
	p := startPool(t, Config{})
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
	cancel()
	got := make(chan error, 1)
	if err := p.Go(ctx, func(ctx context.Context) error {
		if ctx.Value(key{}) != "v" {
			got <- errors.New("value lost")
			return nil
		}
		got <- ctx.Err()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestBurstReachesTheLimitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MinWorkers: 2, MaxWorkers: 8})
		start := time.Now()
		fns := make([]func(context.Context) error, 8)
		g := newGate()
		for range fns {
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(g.entered); n != 8 {
			t.Errorf("%d of 8 tasks run after %v", n, time.Since(start))
		}
		close(g.leave)
	})
}

func TestFullQueueBlocksGoAndRefusesTryGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1, QueueSize: 1})
		g := newGate()
		for range 2 { // one runs, one waits
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := p.TryGo(t.Context(), noop); !errors.Is(err, ErrSaturated) {
			t.Errorf("TryGo on a full queue: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := p.Go(ctx, noop); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Go on a full queue: %v after %v", err, time.Since(start))
		}
		admitted := make(chan error, 1)
		go func() { admitted <- p.Go(t.Context(), noop) }()
		synctest.Wait()
		if s := p.Stats(); s.Blocked != 1 || s.QueueLength != 1 || s.ActiveWorkers != 1 {
			t.Errorf("stats: %+v", s)
		}
		close(g.leave)
		if err := <-admitted; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		s := p.Stats()
		if s.Submitted != 5 || s.Completed != 3 || s.Rejected != 2 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestNoQueueAdmitsAsManyAsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 2, QueueSize: -1})
		g := newGate()
		for range 2 {
			if err := p.TryGo(t.Context(), g.task); err != nil {
				t.Error(err)
			}
		}
		if err := p.TryGo(t.Context(), g.task); !errors.Is(err, ErrSaturated) {
			t.Error(err)
		}
		admitted := make(chan error, 1)
		go func() { admitted <- p.Go(t.Context(), noop) }()
		synctest.Wait()
		g.leave <- struct{}{}
		if err := <-admitted; err != nil {
			t.Error(err)
		}
		close(g.leave)
	})
}

func TestGoFromInsideAFullPoolDoesNotDeadlock(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1, QueueSize: 1})
	done := make(chan struct{}, 100)
	for range 10 {
		if err := p.Go(t.Context(), func(ctx context.Context) error {
			for range 10 {
				if err := p.Go(ctx, func(context.Context) error { done <- struct{}{}; return nil }); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		<-done
	}
}

func TestIdleWorkersEndDownToMinWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MinWorkers: 2, MaxWorkers: 8, IdleTimeout: time.Minute})
		g := newGate()
		for range 8 {
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		close(g.leave)
		<-time.After(30 * time.Second)
		if n := p.Stats().Workers; n != 8 {
			t.Errorf("%d workers after half the time-out", n)
		}
		<-time.After(time.Minute)
		if n := p.Stats().Workers; n != 2 {
			t.Errorf("%d workers after the time-out", n)
		}
	})
}

func TestTasksSubmittedBeforeStartWaitForIt(t *testing.T) {
	p, err := NewPool(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	if err := p.Go(t.Context(), func(context.Context) error { close(ran); return nil }); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.QueueLength != 1 || s.Workers != 0 {
		t.Errorf("%+v", s)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ran
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestStartTwiceIsOnce(t *testing.T) {
	p := startPool(t, Config{})
	if err := p.Start(t.Context()); err != nil {
		t.Error(err)
	}
	fresh, err := NewPool(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fresh.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNilFunctionsAreErrors(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 2})
	if p.Go(t.Context(), nil) == nil || p.TryGo(t.Context(), nil) == nil || Retry(t.Context(), RetryPolicy{}, nil) == nil {
		t.Error("no error")
	}
	r, err := p.Reserve(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if r.Go(t.Context(), nil) == nil || r.Len() != 1 {
		t.Error("no error, or a slot is gone")
	}
	if _, err := p.Reserve(t.Context(), 0); err == nil {
		t.Error("no error for no slot")
	}
}

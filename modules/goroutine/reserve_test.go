package goroutine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReserveHandsOutFreeSlotsAndKeepsSomeForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 8})
		r, err := p.Reserve(t.Context(), 100)
		if err != nil || r.Len() != 6 {
			t.Fatalf("%v, %v", r.Len(), err)
		}
		if errs := p.Parallel(t.Context(), noop, noop); errs[0] != nil {
			t.Error(errs)
		}
		g := newGate()
		for range 6 {
			if err := r.Go(t.Context(), g.task); err != nil {
				t.Error(err)
			}
		}
		if err := r.Go(t.Context(), noop); !errors.Is(err, ErrNoSlot) {
			t.Error(err)
		}
		synctest.Wait()
		if len(g.entered) != 6 {
			t.Errorf("%d of 6 run", len(g.entered))
		}
		for range 2 {
			if _, err := p.Reserve(t.Context(), 1); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Reserve(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(g.leave)
	})
}

func TestReservedTaskStartsThoughTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 2, QueueSize: 1})
		r, err := p.Reserve(t.Context(), 2)
		if err != nil || r.Len() != 1 {
			t.Fatal(r, err)
		}
		g := newGate()
		for range 2 { // fills the other slot and the queue
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ran := false
		if err := r.Go(t.Context(), func(context.Context) error { ran = true; return nil }); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !ran {
			t.Error("reserved task had to wait")
		}
		close(g.leave)
	})
}

func TestReleaseIsIdempotentAndWakesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1})
		r, err := p.Reserve(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan struct{})
		if err := p.Go(t.Context(), func(context.Context) error { close(ran); return nil }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.Release()
		r.Release()
		<-ran
		if s := p.Stats(); s.Reserved != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Neither a flood of tasks nor a crowd of reservers starves the other.
func TestReserversAndTasksTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 2, QueueSize: 10, DisableAutoscaler: true})
		second := func(context.Context) error { <-time.After(time.Second); return nil }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		var tasks, reserved atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for p.Go(ctx, func(ctx context.Context) error { tasks.Add(1); return second(ctx) }) == nil {
				}
			})
			wg.Go(func() {
				for {
					r, err := p.Reserve(ctx, 2)
					if err != nil {
						return
					}
					for r.Go(ctx, func(ctx context.Context) error { reserved.Add(1); return second(ctx) }) == nil {
					}
				}
			})
		}
		wg.Wait()
		if total := tasks.Load() + reserved.Load(); tasks.Load() < 60 || reserved.Load() < 60 || total < 190 {
			t.Errorf("of 200 slot seconds tasks got %d, reservers %d", tasks.Load(), reserved.Load())
		}
		<-time.After(time.Minute)
	})
}

func TestAFallingLimitRespectsReservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 8})
		r, err := p.Reserve(t.Context(), 6)
		if err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		p.setLimit(2)
		p.mu.Unlock()
		g := newGate()
		for range 6 {
			if err := r.Go(t.Context(), g.task); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if len(g.entered) != 6 {
			t.Errorf("%d of 6 reserved tasks run", len(g.entered))
		}
		if err := p.Go(t.Context(), g.task); err != nil {
			t.Error(err)
		}
		for range 5 { // the queued task must wait until the pool is below its new limit
			if len(g.entered) != 6 {
				t.Fatal("oversubscribed")
			}
			g.leave <- struct{}{}
			synctest.Wait()
		}
		if len(g.entered) != 7 {
			t.Error("the queued task should run now")
		}
		close(g.leave)
	})
}

func TestSlotsAreNeverOversubscribed(t *testing.T) {
	const limit = 4
	p := startPool(t, Config{MaxWorkers: limit, QueueSize: 8})
	var busy, held atomic.Int64
	var worst atomic.Int64
	watch := func() {
		for n := busy.Load() + held.Load(); ; {
			w := worst.Load()
			if n <= w || worst.CompareAndSwap(w, n) {
				return
			}
		}
	}
	work := func(context.Context) error {
		busy.Add(1)
		watch()
		busy.Add(-1)
		return nil
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				r, err := p.Reserve(t.Context(), 3)
				if err != nil {
					t.Error(err)
					return
				}
				n := r.Len()
				held.Add(int64(n))
				watch()
				for range n - 1 {
					held.Add(-1)
					if err := r.Go(t.Context(), work); err != nil {
						t.Error(err)
					}
				}
				held.Add(-1)
				r.Release()
			}
		})
		wg.Go(func() {
			for range 500 {
				if err := p.Go(t.Context(), work); err != nil {
					t.Error(err)
				}
				if s := p.Stats(); s.ActiveWorkers+s.Reserved > limit {
					t.Errorf("%d busy + %d reserved of %d", s.ActiveWorkers, s.Reserved, limit)
				}
			}
		})
	}
	wg.Wait()
	if worst.Load() > limit {
		t.Errorf("%d of %d slots were used at once", worst.Load(), limit)
	}
}

package goroutine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 2, ShutdownTimeout: 10 * time.Second})
		for range 6 {
			if err := p.Go(t.Context(), func(ctx context.Context) error {
				<-time.After(time.Second)
				return errors.Join(p.Parallel(ctx, noop, noop, noop)...)
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Completed != 6*4 || s.Workers != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStopWakesWhoeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1, QueueSize: 1})
		g := newGate()
		for range 2 {
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		answers := make(chan error, 16)
		for range 8 {
			go func() { answers <- p.Go(t.Context(), noop) }()
			go func() { _, err := p.Reserve(t.Context(), 1); answers <- err }()
		}
		synctest.Wait()
		start := time.Now()
		stopped := make(chan error)
		go func() { stopped <- p.Stop(context.Background()) }()
		for range 16 {
			if err := <-answers; !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		}
		if d := time.Since(start); d > 10*time.Millisecond {
			t.Errorf("blocked callers returned %v after Stop", d)
		}
		if err := p.Go(t.Context(), noop); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		close(g.leave)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestStopReportsWhatItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := NewPool(Config{MaxWorkers: 3, ShutdownTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		leave := make(chan struct{})
		deaf := Async(WithName(t.Context(), "deaf"), p, func(context.Context) (int, error) { <-leave; return 1, nil })
		obedient := Async(WithName(t.Context(), "obedient"), p, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 2, context.Cause(ctx)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		merged := Async(WithName(ctx, "merged"), p, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 3, context.Cause(ctx)
		})
		synctest.Wait()
		<-time.After(time.Second)
		queued := Async(WithName(t.Context(), "queued"), p, func(context.Context) (int, error) { return 3, nil })

		start := time.Now()
		err = p.Stop(t.Context())
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("stop took %v", d)
		}
		var abandoned *AbandonedError
		if !errors.As(err, &abandoned) {
			t.Fatalf("got %v", err)
		}
		want := []AbandonedTask{
			{Name: "deaf", Running: true, Age: 11 * time.Second},
			{Name: "queued", Running: false, Age: 8 * time.Second},
		}
		if len(abandoned.Tasks) != 2 || abandoned.Tasks[0] != want[0] || abandoned.Tasks[1] != want[1] {
			t.Errorf("got %v", abandoned)
		}
		for name, f := range map[string]*Future[int]{"deaf": deaf, "obedient": obedient, "merged": merged, "queued": queued} {
			if _, err := f.Await(t.Context()); !errors.Is(err, ErrStopped) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s := p.Stats(); s.Abandoned != 2 || s.Failed != 2 {
			t.Errorf("%+v", s)
		}
		if again := p.Stop(t.Context()); !errors.Is(again, err) {
			t.Errorf("second stop: %v", again)
		}
		close(leave)
		synctest.Wait()
		checkBooks(t, p.Stats())
		if s := p.Stats(); s.Workers != 0 || s.Completed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAbandoningAJoinLeavesEarlierFuturesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := NewPool(Config{MaxWorkers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		g := newGate()
		begun := make(chan struct{})
		f := Async(t.Context(), p, func(context.Context) (int, error) { <-begun; return 7, nil })
		synctest.Wait()
		go p.Parallel(t.Context(), g.task, g.task) // the second one is for the worker that runs f
		synctest.Wait()
		close(begun)
		synctest.Wait()
		if len(g.entered) != 2 {
			t.Fatalf("%d of 2 run", len(g.entered))
		}
		var abandoned *AbandonedError
		if err := p.Stop(t.Context()); !errors.As(err, &abandoned) || len(abandoned.Tasks) != 2 {
			t.Error(err)
		}
		if v, err := f.Await(t.Context()); v != 7 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		close(g.leave)
	})
}

func TestStopTakesReservedSlotsBack(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 4})
	r, err := p.Reserve(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Go(t.Context(), noop); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	r.Release()
	if s := p.Stats(); s.Reserved != 0 || s.Rejected != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStopWithoutStartReportsWhatWaits(t *testing.T) {
	p, err := NewPool(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Go(WithName(t.Context(), "early"), noop); err != nil {
		t.Fatal(err)
	}
	var abandoned *AbandonedError
	if err := p.Stop(t.Context()); !errors.As(err, &abandoned) || abandoned.Tasks[0].Name != "early" {
		t.Error(err)
	}
}

func TestStopRefusesNewWorkButNotJoinsOfWhatItDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1})
		g := newGate()
		late := make(chan error, 3)
		if err := p.Go(t.Context(), func(ctx context.Context) error {
			_ = g.task(ctx)
			late <- p.Go(ctx, noop)
			late <- errors.Join(p.Parallel(ctx, noop, noop)...)
			_, err := Async(ctx, p, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
			late <- err
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		<-g.entered
		stopped := make(chan error)
		go func() { stopped <- p.Stop(context.Background()) }()
		synctest.Wait()
		for _, err := range p.Parallel(t.Context(), noop, noop) {
			if !errors.Is(err, ErrStopped) {
				t.Errorf("a join from outside: %v", err)
			}
		}
		close(g.leave)
		if err := <-late; !errors.Is(err, ErrStopped) {
			t.Errorf("Go: %v", err)
		}
		for range 2 {
			if err := <-late; err != nil {
				t.Error(err)
			}
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestStopObeysTheShorterOfItsTwoLimits(t *testing.T) {
	for name, c := range map[string]struct {
		config, ctx, want time.Duration
	}{
		"ShutdownTimeout": {time.Second, time.Minute, time.Second},
		"context":         {time.Minute, time.Second, time.Second},
		"context alone":   {-1, 2 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := NewPool(Config{ShutdownTimeout: c.config})
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				g := newGate()
				if err := p.Go(t.Context(), g.task); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
				defer cancel()
				start := time.Now()
				if err := p.Stop(ctx); !errors.Is(err, ErrStopped) || time.Since(start) != c.want {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				close(g.leave)
			})
		})
	}
}

func TestStopWithoutStart(t *testing.T) {
	p, err := NewPool(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Start(t.Context()); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

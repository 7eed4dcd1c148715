package goroutine

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestChildContextsOfATaskNeedNoGoroutine(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	grown := make(chan int, 1)
	if err := p.Go(ctx, func(ctx context.Context) error {
		before := runtime.NumGoroutine()
		children := make([]context.CancelFunc, 100)
		for i := range children {
			_, children[i] = context.WithCancel(context.WithValue(ctx, nameKey{}, i))
		}
		grown <- runtime.NumGoroutine() - before
		for _, cancel := range children {
			cancel()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := <-grown; n > 10 {
		t.Errorf("100 children took %d goroutines", n)
	}
}

func TestStopCancelsChildContextsWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := NewPool(Config{MaxWorkers: 4, ShutdownTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		caller, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		causes := make(chan error, 4)
		wait := func(ctx context.Context) error {
			child, cancel := context.WithTimeout(context.WithValue(ctx, nameKey{}, ""), time.Hour)
			defer cancel()
			<-child.Done()
			causes <- context.Cause(child)
			return child.Err()
		}
		if err := p.Go(caller, wait); err != nil {
			t.Fatal(err)
		}
		go p.Parallel(caller, wait, wait)
		Async(caller, p, func(ctx context.Context) (int, error) { return 0, wait(ctx) })
		synctest.Wait()
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		for range 4 {
			if cause := <-causes; !errors.Is(cause, ErrStopped) {
				t.Errorf("cause %v", cause)
			}
		}
	})
}

func TestTasksWithContextsThatCannotBeCompared(t *testing.T) {
	type odd struct {
		context.Context
		_ []int
	}
	p := startPool(t, Config{MaxWorkers: 1})
	for range 4 {
		done := make(chan struct{})
		if err := p.Go(odd{Context: t.Context()}, func(context.Context) error { close(done); return nil }); err != nil {
			t.Fatal(err)
		}
		<-done
	}
}

func TestNamesAndUnseenErrorsAreLogged(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	p := startPool(t, Config{MaxWorkers: 1}, WithLogger(zap.New(core)))
	submit := func(ctx context.Context, fn func(context.Context) error) {
		if err := p.Go(ctx, fn); err != nil {
			t.Error(err)
		}
	}
	nested := make(chan struct{})
	submit(WithName(t.Context(), "named"), func(ctx context.Context) error {
		submit(ctx, failing) // does not inherit the name
		close(nested)
		return errFlaky
	})
	<-nested
	submit(t.Context(), panicking)
	submit(t.Context(), func(ctx context.Context) error { Rename(ctx, "renamed"); return errFlaky })
	Rename(t.Context(), "no task")
	submit(t.Context(), noop)
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	got := map[string]string{}
	for _, e := range logs.All() {
		if task, ok := e.ContextMap()["task"].(string); ok {
			got[task] = e.Message
		}
	}
	const here = "github.com/fxpond/fxpond/modules/goroutine."
	want := map[string]string{"renamed": "task failed", "named": "task failed", here + "failing": "task failed", here + "panicking": "task panicked"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for task, message := range want {
		if got[task] != message {
			t.Errorf("%s: %q, want %q", task, got[task], message)
		}
	}
}

func TestStuckTaskIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		p := startPool(t, Config{StuckAfter: time.Minute}, WithLogger(zap.New(core)))
		g := newGate()
		if err := p.Go(WithName(t.Context(), "slow"), g.task); err != nil {
			t.Fatal(err)
		}
		<-time.After(59 * time.Second)
		if logs.Len() != 0 {
			t.Error("logged too early")
		}
		<-time.After(time.Hour)
		entries := logs.FilterMessage("task is stuck").All()
		if len(entries) != 1 || entries[0].ContextMap()["task"] != "slow" || p.Stats().Stuck != 1 {
			t.Errorf("%d stuck, logged %v", p.Stats().Stuck, entries)
		}
		close(g.leave)
	})
}

// An idle pool sleeps: it must not tick.
func TestIdlePoolDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		p := startPool(t, Config{}, func(p *Pool) {
			p.control.runnable = func() int { n.Add(1); return 0 }
		})
		if err := p.Go(t.Context(), noop); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		before := n.Load()
		<-time.After(time.Hour)
		synctest.Wait()
		if ticks := n.Load() - before; ticks != 0 {
			t.Errorf("%d ticks in an idle hour", ticks)
		}
		if err := p.Go(t.Context(), func(context.Context) error { <-time.After(time.Second); return nil }); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if ticks := n.Load() - before; ticks < 10 {
			t.Errorf("%d ticks in a busy second", ticks)
		}
	})
}

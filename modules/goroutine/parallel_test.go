package goroutine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestParallelAlignsErrors(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 4})
	fns := make([]func(context.Context) error, 20)
	for i := range fns {
		if i%3 == 0 {
			fns[i] = func(context.Context) error { return fmt.Errorf("e%d", i) }
		} else {
			fns[i] = noop
		}
	}
	fns[19] = nil
	for i, err := range p.Parallel(t.Context(), fns...) {
		want := ""
		if i%3 == 0 {
			want = fmt.Sprintf("e%d", i)
		}
		if i == 19 {
			want = errNilFunc.Error()
		}
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%d: got %v, want %q", i, err, want)
		}
	}
}

func TestNestedParallelFinishesOnOneWorker(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1, QueueSize: 1})
	var leaves atomic.Int64
	var nest func(depth int) func(context.Context) error
	nest = func(depth int) func(context.Context) error {
		return func(ctx context.Context) error {
			if depth == 0 {
				leaves.Add(1)
				return nil
			}
			return errors.Join(p.Parallel(ctx, nest(depth-1), nest(depth-1), nest(depth-1))...)
		}
	}
	roots := make([]*Future[int], 10)
	for i := range roots {
		roots[i] = Async(t.Context(), p, func(ctx context.Context) (int, error) { return 0, nest(6)(ctx) })
	}
	for _, f := range roots {
		if _, err := f.Await(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := leaves.Load(); n != 10*729 {
		t.Errorf("%d leaves", n)
	}
}

func TestParallelUsesFreeWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 7})
		fns := make([]func(context.Context) error, 8)
		for i := range fns {
			fns[i] = func(context.Context) error { <-time.After(time.Second); return nil }
		}
		start := time.Now()
		p.Parallel(t.Context(), fns...)
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v: 7 workers and the caller could do it in 1s", d)
		}
	})
}

func TestParallelContainsPanics(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 2})
	boom := errors.New("boom")
	for range 50 {
		fns := make([]func(context.Context) error, 8)
		for i := range fns {
			fns[i] = func(context.Context) error { panic(boom) }
		}
		for _, err := range p.Parallel(t.Context(), fns...) {
			var pe *PanicError
			if !errors.As(err, &pe) || !errors.Is(err, boom) || len(pe.Stack) == 0 {
				t.Fatalf("got %v", err)
			}
		}
	}
	if s := p.Stats(); s.Panicked != 400 || s.Failed != 400 {
		t.Errorf("%+v", s)
	}
}

func TestGoexitEndsOneTaskOnly(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1})
	f := Async(t.Context(), p, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
	if _, err := f.Await(t.Context()); !errors.Is(err, ErrGoexit) {
		t.Errorf("got %v", err)
	}
	var ran atomic.Int64
	ended := make(chan struct{})
	go func() { // a joiner that runs an exiting function ends too, but not before the others are done
		defer close(ended)
		p.Parallel(context.Background(),
			func(context.Context) error { runtime.Goexit(); return nil },
			func(context.Context) error { ran.Add(1); return nil },
			func(context.Context) error { runtime.Goexit(); return nil },
			func(context.Context) error { ran.Add(1); return nil })
	}()
	<-ended
	if ran.Load() != 2 {
		t.Errorf("%d of 2 ran", ran.Load())
	}
	if errs := p.Parallel(t.Context(), noop, noop); errs[0] != nil || errs[1] != nil {
		t.Error(errs)
	}
}

func TestParallelPassesCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1})
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		wait := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		time.AfterFunc(time.Second, func() { cancel(why) })
		for i, err := range p.Parallel(ctx, wait, wait, wait, noop) {
			if !errors.Is(err, why) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

func TestParallelNTellsEachCallItsIndex(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 4})
	var seen [20]atomic.Int64
	count := func(_ context.Context, i int) error { seen[i].Add(1); return nil }
	if errs := p.ParallelN(t.Context(), len(seen), count); errs != nil {
		t.Errorf("nothing failed: %v", errs)
	}
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Errorf("%d ran %d times", i, n)
		}
	}
	for i, err := range p.ParallelN(t.Context(), 5, func(_ context.Context, i int) error {
		switch i {
		case 1:
			return errors.New("e1")
		case 3:
			panic("e3")
		}
		return nil
	}) {
		var pe *PanicError
		switch {
		case i == 1 && (err == nil || err.Error() != "e1"), i == 3 && !errors.As(err, &pe), i%2 == 0 && err != nil:
			t.Errorf("%d: %v", i, err)
		}
	}
	if errs := p.ParallelN(t.Context(), 0, count); errs != nil {
		t.Error(errs)
	}
	if errs := p.ParallelN(t.Context(), 2, nil); len(errs) != 2 || errs[0] != errNilFunc || errs[1] != errNilFunc { //nolint:errorlint // this very error
		t.Error(errs)
	}
	if s := p.Stats(); s.Submitted != 27 || s.Completed != 23 || s.Failed != 4 || s.Panicked != 1 {
		t.Errorf("%+v", s)
	}
}

func TestParallelNOnAStoppedPool(t *testing.T) {
	p, err := NewPool(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	errs := p.ParallelN(t.Context(), 3, func(context.Context, int) error { t.Error("it ran"); return nil })
	if len(errs) != 3 {
		t.Fatalf("%d errors", len(errs))
	}
	for i, err := range errs {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

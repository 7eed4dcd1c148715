package goroutine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestMapKeepsOrderAndJoinsErrors(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 3})
	items := make([]int, 1000)
	for i := range items {
		items[i] = i
	}
	got, err := Map(t.Context(), p, items, func(_ context.Context, i int) (string, error) {
		if i%100 == 7 {
			return "ignored", fmt.Errorf("e%d", i)
		}
		return fmt.Sprint(i), nil
	})
	wantMentions(t, err, "item 7: e7", "item 907: e907")
	for i, s := range got {
		if want := fmt.Sprint(i); i%100 != 7 && s != want || i%100 == 7 && s != "" {
			t.Errorf("%d: %q", i, s)
		}
	}
	if s := p.Stats(); s.Completed != 990 || s.Failed != 10 {
		t.Errorf("%+v", s)
	}
	if none, err := Map(t.Context(), p, nil, func(context.Context, int) (int, error) { return 0, errFlaky }); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}

func TestBatchCoversEachItemOnce(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 3, QueueSize: 2})
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(rt, "items")
		size := rapid.IntRange(1, 50).Draw(rt, "size")
		items := make([]int, n)
		for i := range items {
			items[i] = i
		}
		for name, batch := range map[string]func(fn func(context.Context, []int) error) error{
			"slice": func(fn func(context.Context, []int) error) error { return Batch(t.Context(), p, items, size, fn) },
			"seq": func(fn func(context.Context, []int) error) error {
				return BatchSeq(t.Context(), p, slices.Values(items), size, fn)
			},
		} {
			var mu sync.Mutex
			var got []int
			short := 0
			if err := batch(func(_ context.Context, b []int) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, b...)
				if len(b) < size {
					short++
				}
				return nil
			}); err != nil {
				rt.Fatal(name, err)
			}
			slices.Sort(got)
			if !slices.Equal(got, items) || short > 1 {
				rt.Fatalf("%s: got %v, %d short batches", name, got, short)
			}
		}
	})
	if err := Batch(t.Context(), p, []int{1}, 0, func(context.Context, []int) error { return nil }); err == nil {
		t.Error("no error for size 0")
	}
}

func naturals(drawn *atomic.Int64) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
			drawn.Add(1)
		}
	}
}

func TestForEachSeqDrawsNoMoreThanItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 2})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var drawn, ran atomic.Int64
		err := ForEachSeq(ctx, p, naturals(&drawn), func(context.Context, int) error {
			ran.Add(1)
			<-time.After(time.Second)
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || drawn.Load() > 26 || ran.Load() < 18 {
			t.Errorf("drew %d, ran %d: %v", drawn.Load(), ran.Load(), err)
		}
		if s := p.Stats(); s.Running+s.Waiting != 0 {
			t.Errorf("returned before its tasks: %+v", s)
		}
	})
}

func TestForEachSeqInsideATaskOfAOneWorkerPool(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1, QueueSize: 1})
	var sum atomic.Int64
	f := Async(t.Context(), p, func(ctx context.Context) (int, error) {
		return 0, ForEachSeq(ctx, p, slices.Values([]int{1, 2, 3, 4, 5, 6, 7, 8, 9}), func(ctx context.Context, i int) error {
			return ForEach(ctx, p, []int{i, i}, func(_ context.Context, i int) error { sum.Add(int64(i)); return nil })
		})
	})
	if _, err := f.Await(t.Context()); err != nil || sum.Load() != 90 {
		t.Error(sum.Load(), err)
	}
}

func TestAllAndAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 8})
		after := func(d time.Duration, v int, err error) *Future[int] {
			return Async(t.Context(), p, func(context.Context) (int, error) { <-time.After(d); return v, err })
		}
		start := time.Now()
		if v, err := Any(t.Context(), after(3*time.Second, 3, nil), after(time.Second, 1, errFlaky), after(2*time.Second, 2, nil)); v != 2 || err != nil || time.Since(start) != 2*time.Second {
			t.Error(v, err, time.Since(start))
		}
		if _, err := Any(t.Context(), after(time.Second, 1, errFlaky), after(time.Second, 1, errFlaky)); !errors.Is(err, errFlaky) {
			t.Error(err)
		}
		if _, err := Any[int](t.Context()); err == nil {
			t.Error("any of none")
		}
		vs, err := All(t.Context(), after(2*time.Second, 2, nil), after(time.Second, 1, errFlaky), after(time.Second, 7, nil))
		if !errors.Is(err, errFlaky) || !slices.Equal(vs, []int{2, 1, 7}) {
			t.Error(vs, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Any(ctx, after(time.Minute, 1, nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := All(ctx, after(time.Minute, 1, nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		<-time.After(time.Hour)
	})
}

func TestAnyInsideATaskOfAOneWorkerPool(t *testing.T) {
	p := startPool(t, Config{MaxWorkers: 1})
	f := Async(t.Context(), p, func(ctx context.Context) (int, error) {
		one := func(context.Context) (int, error) { return 1, nil }
		return Any(ctx, Async(ctx, p, one), Async(ctx, p, one))
	})
	if v, err := f.Await(t.Context()); v != 1 || err != nil {
		t.Error(v, err)
	}
}

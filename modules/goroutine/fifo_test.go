package goroutine

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFifoBehavesLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f fifo
		var model []*future
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch {
			case len(model) == 0 || rapid.IntRange(0, 5).Draw(t, "op") < 3:
				of := &future{}
				f.push(&entry{fn: noop, future: of})
				model = append(model, of)
			case rapid.Bool().Draw(t, "pop"):
				if f.first().future != model[0] {
					t.Fatal("wrong head")
				}
				f.drop()
				model = model[1:]
			default:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "remove")
				if got := f.remove(model[i]); got.future != model[i] {
					t.Fatal("removed another")
				}
				model = slices.Delete(slices.Clone(model), i, i+1)
			}
			if f.n != len(model) || f.len < f.n || len(f.ring) > 4*max(len(model), 128) {
				t.Fatalf("n %d, len %d, ring %d; want %d", f.n, f.len, len(f.ring), len(model))
			}
			live := 0
			for i := range f.ring {
				if f.ring[i].fn != nil {
					live++
				}
			}
			if live != len(model) {
				t.Fatalf("ring keeps %d entries of %d", live, len(model))
			}
		}
	})
}

func TestQueueBehavesLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue[waiter]
		var model []*waiter
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			switch {
			case len(model) == 0 || rapid.Bool().Draw(t, "push"):
				w := &waiter{}
				w.value = w
				q.push(&w.node)
				model = append(model, w)
			case rapid.Bool().Draw(t, "pop"):
				if q.pop() != model[0] {
					t.Fatal("popped out of order")
				}
				model = model[1:]
			default:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "remove")
				q.remove(&model[i].node)
				model = slices.Delete(slices.Clone(model), i, i+1)
			}
			var got []*waiter
			for w := range q.all {
				got = append(got, w)
			}
			if q.n != len(model) || !slices.Equal(got, model) {
				t.Fatalf("got %v, want %v", got, model)
			}
		}
	})
}

func TestHistogramQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 200).Draw(t, "values")
		var h histogram
		var sum int64
		for _, v := range values {
			h.add(time.Duration(v))
			sum += v
		}
		slices.Sort(values)
		if h.mean() != time.Duration(sum/int64(len(values))) {
			t.Fatalf("mean %v", h.mean())
		}
		qs := []float64{0.01, 0.5, 0.95, 0.99, 1}
		for i, got := range h.quantiles(qs...) {
			rank := max(int(qs[i]*float64(len(values))+0.999999), 1)
			want := float64(values[rank-1])
			if float64(got) < want*0.87-1 || float64(got) > want*1.13+1 {
				t.Fatalf("quantile %v of %v is %v, got %v", qs[i], values, want, got)
			}
		}
	})
	var none histogram
	if none.mean() != 0 || none.quantiles(0.5)[0] != 0 {
		t.Error("an empty histogram has no quantiles")
	}
	none.add(-time.Second)
	if none.quantiles(0.5)[0] != 0 {
		t.Error("a clock that runs backwards counts as 0")
	}
}

var _ context.Context = (*task)(nil)

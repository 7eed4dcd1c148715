package goroutine

import (
	"context"
	"runtime"
	"testing"
)

// pond's groups leak 227 bytes each until their pool stops; ours must not.
func TestGroupsLeaveNothingOnTheHeap(t *testing.T) {
	groups := 1_000_000
	if testing.Short() || raceEnabled {
		groups = 50_000
	}
	p := startPool(t, Config{MaxWorkers: 2})
	ctx, cancel := context.WithCancel(t.Context()) // so that each group merges a context
	defer cancel()
	run := func(n int) {
		for range n {
			p.Parallel(ctx, noop, noop)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	run(1000)
	before := heap()
	run(groups)
	if after := heap(); after > before+1<<20 {
		t.Errorf("heap grew from %d to %d bytes over %d groups", before, after, groups)
	}
}

package goroutine_test

import (
	"context"
	"testing"
)

// BenchmarkNested runs a tree of functions, each of which runs four more at the same time and waits for
// them, to depth 4: 256 leaves. Bounded rivals are left out because they deadlock: a function that
// waits holds its worker. (pond-group and pond-go hang at depth 2, errgroup with a limit and ants too.)
func BenchmarkNested(b *testing.B) {
	for _, j := range joiners {
		if j.bounded && j.name != "fxpond" {
			continue
		}
		b.Run("pool="+j.name, func(b *testing.B) {
			run := j.open(b, workers)
			const fanOut, depth = 4, 4
			var levels [depth + 1][]func(context.Context) error
			leaf := func(context.Context) error { return nil }
			for d := range levels {
				levels[d] = make([]func(context.Context) error, fanOut)
				for i := range levels[d] {
					levels[d][i] = leaf
					if d > 0 {
						levels[d][i] = func(ctx context.Context) error { run(ctx, levels[d-1]); return nil }
					}
				}
			}
			ctx := context.Background()
			report := cpu(b)
			for range b.N {
				run(ctx, levels[depth-1])
			}
			report()
		})
	}
}

package goroutine_test

import (
	"context"
	"testing"
)

// BenchmarkDispatch8 runs eight empty functions at the same time and waits for their errors.
func BenchmarkDispatch8(b *testing.B) {
	for _, j := range joiners {
		b.Run("pool="+j.name, func(b *testing.B) {
			run := j.open(b, workers)
			fns := make([]func(context.Context) error, 8)
			for i := range fns {
				fns[i] = func(context.Context) error { return nil }
			}
			ctx := context.Background()
			report := cpu(b)
			for range b.N {
				run(ctx, fns)
			}
			report()
		})
	}
}

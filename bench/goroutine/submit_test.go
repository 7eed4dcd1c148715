package goroutine_test

import (
	"strconv"
	"sync"
	"testing"
)

const (
	workers   = 4
	queueSize = 1000
)

// BenchmarkSubmit submits b.N empty functions from 1, 2 or 8 goroutines and waits until all have run.
func BenchmarkSubmit(b *testing.B) {
	for _, producers := range []int{1, 2, 8} {
		b.Run("producers="+strconv.Itoa(producers), func(b *testing.B) {
			for _, s := range submitters {
				b.Run("pool="+s.name, func(b *testing.B) { submitAll(b, s, producers) })
			}
		})
	}
}

func submitAll(b *testing.B, s submitter, producers int) {
	submit, wait := s.open(b, workers, queueSize, func() {})
	report := cpu(b)
	var wg sync.WaitGroup
	for i := range producers {
		wg.Go(func() {
			for range b.N/producers + boolInt(i < b.N%producers) {
				submit()
			}
		})
	}
	wg.Wait()
	wait()
	report()
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

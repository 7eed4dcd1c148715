package goroutine_test

import (
	"testing"
	"time"
)

// BenchmarkSleepers submits b.N functions that sleep for 1 ms to pools of 1000. The ideal is 1 us of
// wall time per task.
func BenchmarkSleepers(b *testing.B) {
	for _, s := range submitters {
		b.Run("pool="+s.name, func(b *testing.B) {
			submit, wait := s.open(b, 1000, queueSize, sleep)
			report := cpu(b)
			for range b.N {
				submit()
			}
			wait()
			report()
		})
	}
}

func sleep() {
	timer := time.NewTimer(time.Millisecond)
	<-timer.C
}

// BenchmarkWaiting measures the memory of one task that waits behind busy workers.
func BenchmarkWaiting(b *testing.B) {
	for _, s := range submitters {
		if !s.queues {
			continue
		}
		b.Run("pool="+s.name, func(b *testing.B) {
			b.ReportAllocs()
			leave := make(chan struct{})
			submit, wait := s.open(b, workers, b.N+workers, func() { <-leave })
			b.ResetTimer()
			before := heapInUse()
			for range b.N {
				submit()
			}
			after := heapInUse()
			b.StopTimer()
			close(leave)
			wait()
			if after > before {
				b.ReportMetric(float64(after-before)/float64(b.N), "heap-B/task")
			}
		})
	}
}

package goroutine_test

import (
	"runtime"
	"syscall"
	"testing"
)

// cpu reports the processor time of all threads per operation. On a shared machine it is the figure to
// compare: wall time depends on who else runs.
func cpu(b *testing.B) func() {
	b.Helper()
	b.ReportAllocs()
	before := processorTime(b)
	b.ResetTimer()
	return func() {
		b.StopTimer()
		b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	}
}

func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// heapInUse is what the heap and the stacks hold after a collection.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

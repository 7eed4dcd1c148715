package rig

import (
	"runtime/metrics"
	"syscall"
	"time"
)

// usage is what a client's process has used up so far.
type usage struct {
	At      time.Time
	CPU     time.Duration
	Allocs  uint64
	Bytes   uint64
	Count   int64  // messages handled or published
	Twice   int64  // of these, those that were handled before
	Missing int    // messages that were never handled
	Stopped string // why a consumer gave up, or the first error of a publisher

	P50, P99 float64 // of publishes, in milliseconds
	Failed   []int   // numbers whose publish was answered with an error
}

func readUsage() usage {
	u := usage{At: time.Now()}
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err == nil {
		u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	u.Allocs, u.Bytes = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	return u
}

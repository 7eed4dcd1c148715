package ops

import (
	"math/bits"
	"time"
)

// histogram counts durations from a microsecond to an hour, in buckets that grow by a quarter of a power
// of two: a quantile is off by 12 % at most.
type histogram struct {
	buckets [4 * 32]uint32
	count   uint64
	longest time.Duration
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d/time.Microsecond, 0))
	if v < 4 {
		return int(v)
	}
	exp := bits.Len64(v) - 3
	return min((exp+1)<<2+int(v>>exp)&3, len(histogram{}.buckets)-1)
}

// middle is the duration that stands for a bucket.
func middle(bucket int) time.Duration {
	if bucket < 4 {
		return time.Duration(bucket)*time.Microsecond + time.Microsecond/2
	}
	exp := bucket>>2 - 1
	low := uint64(4+bucket&3) << exp
	return time.Duration(low+(uint64(1)<<exp)/2) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.count++
	h.longest = max(h.longest, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.longest = max(h.longest, other.longest)
}

// quantile answers for q of 0 to 1; 0 of nothing.
func (h *histogram) quantile(q float64) time.Duration {
	var seen uint64
	for i, n := range h.buckets {
		if seen += uint64(n); n > 0 && float64(seen) >= q*float64(h.count) {
			return min(middle(i), h.longest)
		}
	}
	return 0
}

package goroutine

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that grow by a quarter of a power of two, so a quantile is off
// by 12 % at most. It has a sum of its own, so the mean is exact.
type histogram struct {
	buckets [64 * subBuckets]uint64
	count   uint64
	sum     time.Duration
}

const (
	subBits    = 2
	subBuckets = 1 << subBits
)

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	exp := bits.Len64(v) - 1 - subBits
	return (exp+1)<<subBits + int(v>>exp)&(subBuckets-1)
}

// middle is the value that stands for a bucket.
func middle(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket)
	}
	exp := bucket>>subBits - 1
	low := uint64(subBuckets+bucket&(subBuckets-1)) << exp
	return time.Duration(low + (uint64(1)<<exp)/2)
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.count++
	h.sum += d
}

func (h *histogram) mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count)
}

// quantiles answers for each q of 0..1, given in ascending order.
func (h *histogram) quantiles(qs ...float64) []time.Duration {
	out := make([]time.Duration, len(qs))
	if h.count == 0 {
		return out
	}
	var seen uint64
	next := 0
	for i, n := range h.buckets {
		seen += n
		for next < len(qs) && seen > 0 && float64(seen) >= qs[next]*float64(h.count) {
			out[next] = middle(i)
			next++
		}
	}
	return out
}

package sqs

import "time"

// round is leases that will be renewed at the same time: those of one receive, later those of one
// renewal. Most end before, so that the heap sees a round come and go and not each of its leases.
type round struct {
	leases  []*lease // also those that have ended
	open    int      // those that have not
	renewAt time.Time
	index   int // in the heap
}

// roundHeap orders rounds by their time.
type roundHeap []*round

func (h roundHeap) Len() int           { return len(h) }
func (h roundHeap) Less(i, j int) bool { return h[i].renewAt.Before(h[j].renewAt) }
func (h roundHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *roundHeap) Push(x any) {
	r := x.(*round) //nolint:errcheck,forcetypeassert // only rounds are pushed
	r.index = len(*h)
	*h = append(*h, r)
}

// Pop implements [heap.Interface].
func (h *roundHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}

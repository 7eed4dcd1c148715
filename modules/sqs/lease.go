package sqs

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrLeaseLost is the cause ([context.Cause]) of a listener's cancelled context when its message is
// no longer ours: the visibility deadline passed before a renewal succeeded, SQS refused the renewal,
// or the message reached the 12 hours that SQS allows in all. SQS delivers the message again.
var ErrLeaseLost = errors.New("sqs: lease on the message lost")

// lease is the right to work on a received message until its visibility deadline.
type lease struct {
	message  *message
	handle   string
	received time.Time
	deadline time.Time // when it counts as lost
	renewAt  time.Time

	cancel   context.CancelCauseFunc // of the listeners at work, nil before they start
	lost     error                   // why the lease is no longer ours
	final    bool                    // SQS grants no further renewal
	index    int                     // in the heap, -1 outside
	renewing bool                    // a renewal is in flight
	ended    bool                    // end was called
}

// leases keeps every lease of the process alive. One goroutine waits for the earliest renewal; those
// that fall due close to it travel with it, ten to a request.
type leases struct {
	mu    sync.Mutex
	off   error // why no listener may work any more
	heap  leaseHeap
	away  map[*lease]struct{} // out of the heap while their renewal is in flight
	wake  chan struct{}       // capacity 1: the earliest renewal may have changed
	calls sync.WaitGroup
}

func newLeases() *leases {
	return &leases{wake: make(chan struct{}, 1), away: map[*lease]struct{}{}}
}

// begin starts the lease of a message received just now.
func (ls *leases) begin(m *message, handle string, now time.Time) {
	q := m.queue
	m.lease = lease{message: m, handle: handle, received: now, deadline: leaseEnd(now, q.visibility), index: -1}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.schedule(&m.lease, renewalTime(now, q.visibility))
}

// work derives the context of the message's listeners, which ends when the lease is lost. It answers
// the cause when that has happened already. The caller calls the cancel function in the end.
func (ls *leases) work(ctx context.Context, l *lease) (context.Context, context.CancelCauseFunc, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if err := errors.Join(l.lost, ls.off); err != nil {
		return nil, nil, err
	}
	ctx, l.cancel = context.WithCancelCause(ctx)
	return ctx, l.cancel, nil
}

// callOff cancels every listener at work with the given cause and lets none begin; nil lets them again.
// The leases themselves go on until their messages are settled.
func (ls *leases) callOff(cause error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.off = cause; cause == nil {
		return
	}
	cancel := func(l *lease) {
		if l.cancel != nil {
			l.cancel(cause)
		}
	}
	for _, l := range ls.heap {
		cancel(l)
	}
	for l := range ls.away {
		cancel(l)
	}
}

func (ls *leases) calledOff() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.off != nil
}

// end stops renewing and then calls the message's leaseEnded, once no renewal is in flight any more: a
// late renewal would overwrite the visibility that the settlement sets.
func (ls *leases) end(l *lease) {
	ls.mu.Lock()
	l.ended = true
	if l.index >= 0 {
		heap.Remove(&ls.heap, l.index)
	}
	renewing, lost := l.renewing, l.lost
	ls.mu.Unlock()
	if !renewing {
		l.message.leaseEnded(lost)
	}
}

// run renews until ctx ends, and returns when the renewals in flight have ended.
func (ls *leases) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer ls.calls.Wait()
	for {
		for _, batch := range ls.due(time.Now()) {
			ls.calls.Go(func() { ls.renew(ctx, batch) })
		}
		timer.Reset(ls.untilNext())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-ls.wake:
		}
	}
}

// due takes what must be renewed now out of the heap, in batches of one queue each. Leases of the
// same queue that fall due within a tenth of its visibility ride along.
func (ls *leases) due(now time.Time) [][]*lease {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(ls.heap) == 0 || ls.heap[0].renewAt.After(now) {
		return nil
	}
	byQueue := map[*intake][]*lease{}
	for len(ls.heap) > 0 {
		l := ls.heap[0]
		if l.renewAt.After(now.Add(l.message.queue.visibility / 10)) {
			break
		}
		heap.Pop(&ls.heap)
		if l.final {
			ls.lose(l, fmt.Errorf("%w: SQS ends every lease %v after the receive", ErrLeaseLost, maxVisibility))
			continue
		}
		l.renewing = true
		ls.away[l] = struct{}{}
		q := l.message.queue
		byQueue[q] = append(byQueue[q], l)
	}
	var batches [][]*lease
	for _, all := range byQueue {
		for len(all) > 0 {
			n := min(maxBatch, len(all))
			batches = append(batches, all[:n:n])
			all = all[n:]
		}
	}
	return batches
}

func (ls *leases) untilNext() time.Duration {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(ls.heap) == 0 {
		return time.Hour
	}
	return max(time.Until(ls.heap[0].renewAt), 0)
}

// renew extends one batch of leases by their queue's visibility, or by what the 12 hours leave.
func (ls *leases) renew(ctx context.Context, batch []*lease) {
	q := batch[0].message.queue
	sent := time.Now()
	changes := make([]visibilityChange, len(batch))
	for i, l := range batch {
		left := l.received.Add(maxVisibility).Sub(sent).Truncate(time.Second)
		changes[i] = visibilityChange{handle: l.handle, after: max(min(q.visibility, left), 0)}
	}
	// A renewal that hangs leaves time for another try, and never outlasts a lease.
	until := sent.Add(max(q.visibility/4, time.Second))
	for _, l := range batch {
		if l.deadline.Before(until) {
			until = l.deadline
		}
	}
	callCtx, cancel := context.WithDeadline(ctx, until)
	errs := q.changeVisibility(callCtx, changes)
	cancel()

	ls.mu.Lock()
	var settled []*lease
	renewed := 0
	now := time.Now()
	for i, l := range batch {
		l.renewing = false
		delete(ls.away, l)
		err := errs[i]
		if err == nil {
			renewed++
			l.deadline = leaseEnd(sent, changes[i].after)
		}
		switch {
		case l.ended:
			settled = append(settled, l)
		case err == nil && changes[i].after < q.visibility:
			l.final = true
			ls.schedule(l, l.deadline)
		case err == nil:
			ls.schedule(l, renewalTime(sent, q.visibility))
		case senderFault(err), !now.Before(l.deadline):
			ls.lose(l, fmt.Errorf("%w: %w", ErrLeaseLost, err))
		default:
			q.leaseRenewFailed(l, err)
			// Close in on the deadline: several tries fit, the last one just before it.
			ls.schedule(l, now.Add(max(l.deadline.Sub(now)/4, 100*time.Millisecond)))
		}
	}
	ls.mu.Unlock()
	q.stats.leasesRenewed.Add(int64(renewed))
	for _, l := range settled {
		l.message.leaseEnded(l.lost)
	}
}

// lose needs mu.
func (ls *leases) lose(l *lease, cause error) {
	l.lost = cause
	if l.cancel != nil {
		l.cancel(cause)
	}
	l.message.queue.leaseLost(l, cause)
}

// schedule needs mu.
func (ls *leases) schedule(l *lease, at time.Time) {
	l.renewAt = at
	heap.Push(&ls.heap, l)
	if l.index == 0 {
		select {
		case ls.wake <- struct{}{}:
		default:
		}
	}
}

// leaseEnd is a little before SQS makes the message visible: its clock started before its answer was here.
func leaseEnd(from time.Time, visibility time.Duration) time.Time {
	return from.Add(visibility - visibility/20)
}

// renewalTime is about half of the visibility after now: early enough for several more tries, and
// spread so that leases of one burst do not stay a burst.
func renewalTime(now time.Time, visibility time.Duration) time.Time {
	spread := 0.45 + 0.1*rand.Float64()
	return now.Add(time.Duration(float64(visibility) * spread))
}

// leaseHeap orders leases by their next renewal.
type leaseHeap []*lease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].renewAt.Before(h[j].renewAt) }
func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *leaseHeap) Push(x any) {
	l := x.(*lease) //nolint:errcheck,forcetypeassert // only leases are pushed
	l.index = len(*h)
	*h = append(*h, l)
}

// Pop implements [heap.Interface].
func (h *leaseHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.index = -1
	return l
}

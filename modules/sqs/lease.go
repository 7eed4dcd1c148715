package sqs

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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

	cancel   context.CancelCauseFunc // of the listeners at work, nil before they start
	lost     error                   // why the lease is no longer ours
	final    bool                    // SQS grants no further renewal
	round    *round                  // that will renew it, nil while one does or when it is lost
	renewing bool                    // a renewal is in flight
	ended    bool                    // end was called
}

// leases keeps every lease of the process alive. One goroutine waits for the earliest renewal; those
// that fall due close to it travel with it, ten to a request.
type leases struct {
	mu    sync.Mutex
	off   error // why no listener may work any more
	heap  roundHeap
	away  map[*lease]struct{} // in no round while their renewal is in flight
	wake  chan struct{}       // capacity 1: the earliest renewal may have changed
	calls sync.WaitGroup
}

func newLeases() *leases {
	return &leases{wake: make(chan struct{}, 1), away: map[*lease]struct{}{}}
}

// begin starts the leases of messages received just now by one request.
func (ls *leases) begin(messages []*message, now time.Time) {
	visibility := messages[0].queue.visibility
	all := make([]*lease, len(messages))
	for i, m := range messages {
		m.lease = lease{message: m, handle: aws.ToString(m.raw.ReceiptHandle), received: now, deadline: leaseEnd(now, visibility)}
		all[i] = &m.lease
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.schedule(all, renewalTime(now, visibility))
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
	for l := range ls.all() {
		cancel(l)
	}
}

// all yields the leases that have not ended and are not lost. It needs mu.
func (ls *leases) all() iter.Seq[*lease] {
	return func(yield func(*lease) bool) {
		for _, r := range ls.heap {
			for _, l := range r.leases {
				if !l.ended && !yield(l) {
					return
				}
			}
		}
		for l := range ls.away {
			if !l.ended && !yield(l) {
				return
			}
		}
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
	if r := l.round; r != nil {
		l.round = nil
		if r.open--; r.open == 0 {
			heap.Remove(&ls.heap, r.index)
		}
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
		r := ls.heap[0]
		q := r.leases[0].message.queue
		if r.renewAt.After(now.Add(q.visibility / 10)) {
			break
		}
		heap.Pop(&ls.heap)
		for _, l := range r.leases {
			if l.ended {
				continue
			}
			l.round = nil
			if l.final {
				ls.lose(l, fmt.Errorf("%w: SQS ends every lease %v after the receive", ErrLeaseLost, maxVisibility))
				continue
			}
			l.renewing = true
			ls.away[l] = struct{}{}
			byQueue[q] = append(byQueue[q], l)
		}
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
	var settled, again, last, retry []*lease
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
			last = append(last, l)
		case err == nil:
			again = append(again, l)
		case senderFault(err), !now.Before(l.deadline):
			ls.lose(l, fmt.Errorf("%w: %w", ErrLeaseLost, err))
		default:
			q.leaseRenewFailed(l, err)
			retry = append(retry, l)
		}
	}
	ls.schedule(again, renewalTime(sent, q.visibility))
	for _, l := range last {
		ls.schedule([]*lease{l}, l.deadline)
	}
	for _, l := range retry {
		// Close in on the deadline: several tries fit, the last one just before it.
		ls.schedule([]*lease{l}, now.Add(max(l.deadline.Sub(now)/4, 100*time.Millisecond)))
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

// schedule makes a round of leases. It needs mu.
func (ls *leases) schedule(leases []*lease, at time.Time) {
	if len(leases) == 0 {
		return
	}
	r := &round{leases: leases, open: len(leases), renewAt: at}
	for _, l := range leases {
		l.round = r
	}
	heap.Push(&ls.heap, r)
	if r.index == 0 {
		wake(ls.wake)
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

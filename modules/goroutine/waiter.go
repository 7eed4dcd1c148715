package goroutine

// waiter is a goroutine that waits for the pool: a blocked submitter, a reserver, or a task that wants
// its slot back. The pool keeps used ones, so that blocking costs no allocation.
type waiter struct {
	node[waiter]

	signal chan struct{} // holds one: the sender never blocks
	woken  bool
	err    error

	entry entry // the submitter's
	loan  loan  // the slot that a task wants back
	most  int   // a reserver wants 1..most slots
	got   int   // and gets this many
}

const spareWaiters = 64 // enough for a busy pool's submitters; more are left to the collector

// newWaiter needs mu.
func (p *Pool) newWaiter() *waiter {
	if n := len(p.spare); n > 0 {
		w := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return w
	}
	w := &waiter{signal: make(chan struct{}, 1)}
	w.value = w
	return w
}

// wake ends w's wait. It needs mu, and w out of its queue.
func (w *waiter) wake(err error) {
	w.err, w.woken = err, true
	w.signal <- struct{}{}
}

// recycle needs mu, and a waiter whose goroutine has stopped waiting.
func (p *Pool) recycle(w *waiter) {
	select {
	case <-w.signal: // sent, but the goroutine saw its context first
	default:
	}
	w.woken, w.err, w.entry, w.loan, w.most, w.got = false, nil, entry{}, loan{}, 0, 0
	if len(p.spare) < spareWaiters {
		p.spare = append(p.spare, w)
	}
}

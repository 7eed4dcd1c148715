package goroutine

// queue is a first-in, first-out list whose links live inside its elements: pushing allocates nothing
// and any element can leave from the middle. An element is in one queue at most. Pool.mu guards them.
type queue[T any] struct {
	head, tail *node[T]
	n          int
}

type node[T any] struct {
	prev, next *node[T]
	value      *T
}

func (q *queue[T]) push(e *node[T]) {
	e.prev, e.next = q.tail, nil
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.next = e
	}
	q.tail = e
	q.n++
}

func (q *queue[T]) remove(e *node[T]) {
	if e.prev == nil {
		q.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	q.n--
}

// pop needs a queue that is not empty.
func (q *queue[T]) pop() *T {
	e := q.head
	q.remove(e)
	return e.value
}

// all visits the elements in order; the loop may remove the one it got.
func (q *queue[T]) all(yield func(*T) bool) {
	for e := q.head; e != nil; {
		next := e.next
		if !yield(e.value) {
			return
		}
		e = next
	}
}

// waiter is a goroutine that waits for the pool: a blocked submitter, a reserver, or a task that wants
// its slot back. The pool keeps used ones, so that blocking costs no allocation.
type waiter struct {
	node[waiter]
	signal chan struct{} // holds one: the sender never blocks
	woken  bool
	err    error

	task *task // the submitter's, or the one that wants its slot back
	max  int   // a reserver wants 1..max slots
	got  int   // and gets this many
}

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

const spareWaiters = 64 // enough for a busy pool's submitters; more are left to the collector

// recycle needs mu, and a waiter whose goroutine has stopped waiting.
func (p *Pool) recycle(w *waiter) {
	select {
	case <-w.signal: // sent, but the goroutine saw its context first
	default:
	}
	w.woken, w.err, w.task, w.max, w.got = false, nil, nil, 0, 0
	if len(p.spare) < spareWaiters {
		p.spare = append(p.spare, w)
	}
}

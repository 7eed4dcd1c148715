package repository

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// dispatcher runs the coalesced queries of a DB on goroutines of its own, at most slots of them. They
// must not run on the pool of their callers: listeners that fill the pool and wait for a query queued
// behind them would wait for ever.
type dispatcher struct {
	slots int

	mu      sync.Mutex
	ready   []lane    // lanes with something to send, each once
	runners []*runner // all, for stop
	parked  []*runner // the last parked first: its stack is grown and its cache is warm
	running int       // runners that are not parked
	bursty  bool      // the last query was shared, or others wait
	closed  bool
	empty   chan struct{} // closed when the last runner has ended, after closed
}

// lane is a queue of finds that may share a query. Its methods are called with the dispatcher's lock
// held.
type lane interface {
	// take removes from the queue what one query can carry, and offers the lane again if something is
	// left. It is nil if nobody waits any more.
	take(d *dispatcher, r *runner) query
	// refuse answers all that wait.
	refuse(err error)
}

// query is what a runner sends, without the lock.
type query interface {
	// run asks the database.
	run()
	// deliver gives the callers their answers.
	deliver()
	// land tells that the run is over. The lock is held.
	land()
	// lone tells whether there is a single caller.
	lone() bool
	// abort ends a run with an error.
	abort(cause error)
}

// runner is a goroutine that sends one query at a time.
type runner struct {
	wake   chan struct{}
	flying query // nil if none is in flight

	ctx    context.Context // what lone queries run on, one after the other; renewed when it was cancelled
	cancel context.CancelCauseFunc
}

func newDispatcher(slots int) *dispatcher {
	return &dispatcher{slots: slots, empty: make(chan struct{})}
}

// offer makes a lane known that has something to send, and wakes a runner if a slot is free, which it
// tells. The lock is held.
func (d *dispatcher) offer(l lane) (free bool) {
	d.ready = append(d.ready, l)
	return d.wake()
}

// wake sets one more runner to work. The lock is held.
func (d *dispatcher) wake() bool {
	if d.running == d.slots || d.closed {
		return false
	}
	d.running++
	if n := len(d.parked); n > 0 {
		r := d.parked[n-1]
		d.parked = d.parked[:n-1]
		r.wake <- struct{}{}
		return true
	}
	r := &runner{wake: make(chan struct{}, 1)}
	d.runners = append(d.runners, r)
	go d.run(r)
	return true
}

// run serves lanes in turn until there is nothing to send, parks, and goes on when woken. It ends with
// stop, or when a model's own code ends the goroutine.
func (d *dispatcher) run(r *runner) {
	defer d.ended(r)
	for {
		q, parked := d.next(r)
		if q != nil {
			parked = d.fly(r, q)
		}
		switch {
		case parked:
			<-r.wake
		case q == nil:
			return
		}
	}
}

// next takes a query to send, or parks the runner; it does neither when the dispatcher has stopped.
func (d *dispatcher) next(r *runner) (q query, parked bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bursty || d.running > 1 {
		// More is on its way: let the callers queue it before the query goes out. No timer is as
		// cheap as this, but a lone caller would feel even this.
		d.mu.Unlock()
		runtime.Gosched()
		d.mu.Lock()
	}
	for len(d.ready) > 0 {
		l := d.ready[0]
		d.ready[0] = nil
		d.ready = d.ready[1:]
		if q = l.take(d, r); q != nil {
			r.flying = q
			return q, false
		}
	}
	return nil, d.park(r)
}

// park takes the runner out of work, unless there is some or there will be none. The lock is held.
func (d *dispatcher) park(r *runner) bool {
	if d.closed || len(d.ready) > 0 {
		return false
	}
	d.running--
	d.parked = append(d.parked, r)
	return true
}

// fly sends a query and delivers its answers. A lone caller gets his when the runner has parked: he may
// ask again at once, and should find the slot free and the lock too.
func (d *dispatcher) fly(r *runner, q query) (parked bool) {
	delivered := false
	defer func() { // also when a model's own code calls Goexit
		if !delivered {
			q.deliver()
		}
	}()
	q.run()
	if !q.lone() {
		q.deliver()
		delivered = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q.land()
	r.flying = nil
	return d.park(r)
}

// ended takes a runner off the books.
func (d *dispatcher) ended(r *runner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running--
	d.runners = slices.DeleteFunc(d.runners, func(other *runner) bool { return other == r })
	if len(d.ready) > 0 {
		d.wake()
	}
	if d.closed && len(d.runners) == 0 {
		close(d.empty)
	}
}

func (d *dispatcher) inFlight() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running
}

// stop refuses what has not been sent and waits for what has; when ctx ends it cancels that, and gives
// it a moment to return.
func (d *dispatcher) stop(ctx context.Context) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	for _, l := range d.ready {
		l.refuse(ErrClosed)
	}
	d.ready = nil
	d.running += len(d.parked) // each takes itself off the books
	for _, r := range d.parked {
		r.wake <- struct{}{}
	}
	d.parked = nil
	if len(d.runners) == 0 {
		close(d.empty)
	}
	d.mu.Unlock()

	select {
	case <-d.empty:
		return nil
	case <-ctx.Done():
	}
	d.mu.Lock()
	left := 0
	for _, r := range d.runners {
		if r.flying != nil {
			r.flying.abort(ErrClosed)
			left++
		}
	}
	d.mu.Unlock()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-d.empty: // drivers return when their context ends
	case <-grace.C:
	}
	return fmt.Errorf("repository: cancelled %d coalesced queries: %w", left, errors.Join(ErrClosed, context.Cause(ctx)))
}

// stopGrace is how long a driver may take to give up a cancelled query.
const stopGrace = 250 * time.Millisecond

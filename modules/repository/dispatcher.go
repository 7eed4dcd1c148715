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
	// send takes what one query can carry, gives up the lock while the query runs, and answers.
	send(d *dispatcher, r *runner)
	// waiting tells whether something is left to send.
	waiting() bool
	// refuse answers all that wait.
	refuse(err error)
}

// runner is a goroutine that sends one query at a time.
type runner struct {
	wake   chan struct{}
	cancel context.CancelCauseFunc // ends the query in flight; nil if there is none
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
	defer func() {
		d.running--
		d.runners = slices.DeleteFunc(d.runners, func(other *runner) bool { return other == r })
		if len(d.ready) > 0 {
			d.wake()
		}
		if d.closed && len(d.runners) == 0 {
			close(d.empty)
		}
		d.mu.Unlock()
	}()
	for {
		d.mu.Lock()
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
			l.send(d, r)
		}
		if d.closed {
			return
		}
		d.running--
		d.parked = append(d.parked, r)
		d.mu.Unlock()
		<-r.wake
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
		if r.cancel != nil {
			r.cancel(ErrClosed)
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

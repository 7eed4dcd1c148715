package sqs

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// maxRequests bounds the requests in flight to one destination. At ten entries and 15 ms each it allows
// some 40,000 events a second; what comes faster waits in line.
const maxRequests = 64

// outlet gathers the events that go to one destination into requests. A full request leaves at once. A
// partial one leaves at once too while nothing is in flight or nobody else is expected soon, and waits
// for others as long as its pace says otherwise.
type outlet struct {
	to    *Destination
	tel   *outletTelemetry
	freed func(*entry) // gives the entry's part of the buffer back

	ctx    context.Context // of the requests, ends when Stop's time is up
	cancel context.CancelFunc
	work   sync.WaitGroup // requests and wake-ups

	mu       sync.Mutex
	line     line
	pace     pace
	requests int  // in flight
	waking   bool // a goroutine is about to send what is in line
	armed    bool // the timer is set
	timer    *time.Timer
	stopped  bool
	open     int           // entries without an answer
	idle     chan struct{} // closed when stopped and open is 0
}

func newOutlet(to *Destination, packed bool, tel *outletTelemetry, freed func(*entry)) *outlet {
	o := &outlet{to: to, tel: tel, freed: freed, line: line{maxBytes: to.MaxBytes, packed: packed}, idle: make(chan struct{})}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

// add puts entries in line, in their order. It never blocks. After stop it takes none.
func (o *outlet) add(entries ...*entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return ErrStopped
	}
	o.pace.add(time.Now())
	o.open += len(entries)
	for _, e := range entries {
		o.line.push(e)
	}
	o.launch(false)
	return nil
}

// withdraw takes an entry back whose caller waits no longer. False means that a request has it.
func (o *outlet) withdraw(e *entry, err error) bool {
	o.mu.Lock()
	inLine := o.line.remove(e)
	o.mu.Unlock()
	if inLine {
		o.answer(e, Answer{Err: err})
	}
	return inLine
}

// launch sends full requests, and what remains if partial, and sees to it that a remainder does not
// wait longer than it should. It needs mu.
func (o *outlet) launch(partial bool) {
	for o.requests < maxRequests && (o.line.full() || partial && o.line.takeable > 0) {
		o.requests++
		batch := o.line.take()
		o.work.Go(func() { o.deliver(batch) })
	}
	if o.line.takeable == 0 || o.requests == maxRequests || o.waking {
		return
	}
	left := o.linger()
	switch {
	case o.requests == 0, o.stopped, left <= 0:
		o.waking = true
		o.work.Go(o.wake)
	case o.armed: // for an entry that was in line earlier; ring looks again
	case o.timer == nil:
		o.timer = time.AfterFunc(left, o.ring)
		o.armed = true
	default:
		o.timer.Reset(left)
		o.armed = true
	}
}

// linger is how long the oldest entry may still wait. It needs mu.
func (o *outlet) linger() time.Duration {
	now := time.Now()
	return o.line.oldest().Add(o.pace.linger(now)).Sub(now)
}

// wake sends what is in line, once the callers that are ready to run have added theirs: all of those
// whom one answer has woken, for instance.
func (o *outlet) wake() {
	runtime.Gosched()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waking = false
	o.launch(true)
}

// ring is the timer's.
func (o *outlet) ring() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = false
	o.launch(o.line.takeable > 0 && o.linger() <= 0)
}

// refuse ends add and sends what is in line.
func (o *outlet) refuse() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return
	}
	o.stopped = true
	o.launch(true)
	o.closeIdle()
}

// closeIdle needs mu.
func (o *outlet) closeIdle() {
	if o.stopped && o.open == 0 {
		select {
		case <-o.idle:
		default:
			close(o.idle)
		}
	}
}

// drain waits until every entry has its answer. When ctx ends first, it ends the requests in flight and
// answers the rest. It returns how many entries were given up; nothing of the outlet runs any more then.
func (o *outlet) drain(ctx context.Context) (left int) {
	select {
	case <-o.idle:
	case <-ctx.Done():
	}
	o.mu.Lock()
	left = o.open
	unsent := o.line.drain()
	o.mu.Unlock()
	o.cancel()
	for _, e := range unsent {
		o.answer(e, Answer{Err: ErrStopped})
	}
	<-o.idle // requests end at once with their context
	o.work.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.timer != nil {
		o.timer.Stop()
	}
	return left
}

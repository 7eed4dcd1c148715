package jobs

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// local is the queue inside this process. To the bus it is a transport like SQS: it delivers events and acts
// on the outcome. Jobs that wait are entries of a heap; one goroutine, which lives while there are any, gives
// them to the pool when they are due.
type local struct {
	d *Dispatcher

	mu      sync.Mutex
	waiting dueHeap
	active  map[*run]struct{} // given to the pool, or about to be
	dropped []UnfinishedJob
	closed  bool
	looping bool
	wake    chan struct{} // holds one: the earliest due time may have changed
	idle    chan struct{} // made by stop, closed when nothing is active
	loops   sync.WaitGroup
}

// run is a job of this process until its future is resolved, a chain all in one. While it is active its
// goroutine alone writes to it, under mu; so reading it elsewhere takes mu.
type run struct {
	event   events.Any
	env     envelope
	attempt int
	spent   atomic.Bool // the delivery under way is an attempt
	ctx     context.Context
	cancel  context.CancelCauseFunc
	resolve func(struct{}, error)
	born    time.Time // when it was dispatched
	due     time.Time
	index   int  // in the heap
	over    bool // its future is resolved
}

func newLocal(d *Dispatcher) *local {
	return &local{d: d, active: map[*run]struct{}{}, wake: make(chan struct{}, 1)}
}

// add takes a job in. It blocks while the pool is full, unless the job has to wait anyway.
func (l *local) add(ctx context.Context, p parcel) (*goroutine.Future[struct{}], error) {
	if _, err := l.d.ready(p.event.Name); err != nil {
		return nil, err
	}
	for _, later := range p.Chain {
		if _, err := l.d.ready(eventPrefix + later.Job); err != nil {
			return nil, err
		}
	}
	e, err := p.seal()
	if err != nil {
		return nil, err
	}
	future, resolve := goroutine.NewFuture[struct{}](l.d.pool)
	r := &run{event: e, env: p.envelope, attempt: 1, resolve: resolve, born: time.Now(), due: p.Due}
	ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	r.ctx = goroutine.WithName(ctx, e.Name)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		r.cancel(ErrStopped)
		return nil, ErrStopped
	}
	now := l.place(r)
	l.mu.Unlock()
	l.d.tel.dispatched(ctx, e.Name, toProcess)
	if now {
		l.submit(r)
	}
	return future, nil
}

// place puts a job where it belongs by its due time. It answers true if that is the pool: the caller must
// submit it. It needs mu.
func (l *local) place(r *run) (now bool) {
	if time.Until(r.due) <= 0 {
		l.active[r] = struct{}{}
		return true
	}
	delete(l.active, r)
	heap.Push(&l.waiting, r)
	if !l.looping {
		l.looping = true
		l.loops.Go(l.loop)
	} else if r.index == 0 {
		l.rouse()
	}
	return false
}

// rouse makes the loop look again. It needs mu.
func (l *local) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// loop gives jobs to the pool as they fall due. While the pool is full it waits, and they with it.
func (l *local) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.mu.Lock()
		if l.closed || len(l.waiting) == 0 {
			l.looping = false
			l.mu.Unlock()
			return
		}
		wait := time.Until(l.waiting[0].due)
		if wait > 0 {
			l.mu.Unlock()
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-l.wake:
			}
			continue
		}
		r, _ := heap.Pop(&l.waiting).(*run)
		l.active[r] = struct{}{}
		l.mu.Unlock()
		l.submit(r)
	}
}

// submit gives an active job to the pool.
func (l *local) submit(r *run) {
	err := l.d.pool.Go(r.ctx, func(ctx context.Context) error {
		// Of r.ctx the pool passes on no more than the values.
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
		l.work(ctx, r)
		return nil // the future has it
	})
	if err != nil {
		l.d.log.Warn("job of this process not run", zap.String("job", r.name()), zap.String("id", r.event.ID), zap.Error(err))
		l.finish(r, fmt.Errorf("jobs: job %q of this process not run: %w", r.name(), err))
	}
}

// work delivers the job once. Of its event's listeners the job's own decides; what others make of it is logged,
// as it is for any event of this process.
func (l *local) work(ctx context.Context, r *run) {
	result := events.ListenerResult{Status: events.StatusFailed, Err: goroutine.ErrGoexit}
	defer func() { l.settle(r, result) }() // also after Goexit
	goroutine.Rename(ctx, r.event.Name)
	r.spent.Store(false)
	o := l.d.bus.Load().Deliver(context.WithValue(ctx, originKey{}, &origin{id: r.event.ID, place: fromPool, run: r}), r.event)
	result.Err = o.Err() // if the job's listener was not run
	for _, other := range o.Results {
		switch {
		case other.Listener == r.event.Name:
			result = other
		case other.Status == events.StatusFailed:
			l.d.log.Warn("another listener failed on the event of a job", zap.String("listener", other.Listener),
				zap.String("job", r.name()), zap.String("id", r.event.ID), zap.Error(other.Err))
		}
	}
}

// settle does what the result asks for.
func (l *local) settle(r *run, result events.ListenerResult) {
	err := result.Err
	if result.Status.Finished() {
		err = nil
	}
	l.mu.Lock()
	again, now := !r.over && r.continues(result), false
	switch {
	case again && l.closed:
		again = false
		l.dropped = append(l.dropped, r.unfinished(false))
		err = errors.Join(ErrStopped, err)
	case again:
		now = l.place(r)
	}
	l.mu.Unlock()
	switch {
	case now:
		l.submit(r)
	case !again:
		l.finish(r, err)
	}
}

// continues makes the job ready for what comes next, if anything does. It needs mu.
func (r *run) continues(result events.ListenerResult) bool {
	switch {
	case result.Status.Finished():
		if len(r.env.Chain) == 0 {
			return false
		}
		p := next(r.env.Chain, r.env.Batch, r.env.Item, time.Now())
		r.event, _ = p.seal() // it was read from JSON, or made by links: it can be written
		r.env, r.attempt, r.due = p.envelope, 1, p.Due
		return true
	case result.Class.Final():
		return false
	}
	after := result.RetryAfter
	if after == 0 {
		after = standardBackoff.after(r.attempt)
	}
	if r.spent.Load() {
		r.attempt++
	}
	r.due = time.Now().Add(after)
	return true
}

// finish resolves the job's future.
func (l *local) finish(r *run, err error) {
	l.mu.Lock()
	if r.over {
		l.mu.Unlock()
		return
	}
	r.over = true
	delete(l.active, r)
	if len(l.active) == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
	l.mu.Unlock()
	r.resolve(struct{}{}, err)
	r.cancel(nil)
}

func (r *run) name() string { return jobOf(r.event.Name) }

// dueHeap is ordered by due time.
type dueHeap []*run

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	r, _ := x.(*run)
	r.index = len(*h)
	*h = append(*h, r)
}

func (h *dueHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}

package goroutine

import (
	"context"
	"fmt"
)

// Reservation holds slots of a pool: tasks started with it never wait. It is what a consumer takes
// before it asks its queue for messages, so that it receives no more than it can start. Its methods may
// be called concurrently.
type Reservation struct {
	pool *Pool
	held int // guarded by Pool.mu
}

// Reserve waits until at least one slot is free and returns 1 to most of them. The sum of running tasks
// and reserved slots never exceeds the limit. Reservers and queued tasks are served in turn; while
// tasks wait, a reserver gets one slot at a time; and of a limit of two or more a quarter, at least one
// slot, is never given to idle reservations, so a consumer that waits for messages stops nobody.
//
// It returns ctx's cause if ctx ends first, ErrStopped as soon as the pool stops. Stop takes unused
// slots back. Release what you do not use: a forgotten Reservation keeps its slots. A task that calls
// Reserve waits for slots besides its own.
func (p *Pool) Reserve(ctx context.Context, most int) (*Reservation, error) {
	if most < 1 {
		return nil, fmt.Errorf("goroutine: cannot reserve %d slots; ask for one or more", most)
	}
	p.mu.Lock()
	if p.phase >= phaseDraining {
		p.mu.Unlock()
		return nil, ErrStopped
	}
	p.control.rouse()
	w := p.newWaiter()
	w.most = most
	p.reservers.push(&w.node)
	p.settle()
	p.mu.Unlock()

	select {
	case <-w.signal:
	case <-ctx.Done():
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	got, err := w.got, w.err
	if !w.woken {
		p.reservers.remove(&w.node)
		err = context.Cause(ctx)
	}
	p.recycle(w)
	if err != nil {
		return nil, err
	}
	return &Reservation{pool: p, held: got}, nil
}

// grant serves the first reserver if a slot can be spared. It needs mu.
func (p *Pool) grant(tasksWait bool) bool {
	free := p.limit - p.busy - p.held - p.waking - p.lent // lent slots will be wanted back
	if p.limit > 1 {
		free = min(free, p.limit-max(1, p.limit/4)-p.held)
	}
	if free < 1 {
		return false
	}
	w := p.reservers.pop()
	w.got = min(w.most, max(1, free/(1+p.reservers.n)))
	if tasksWait {
		w.got = 1
	}
	p.held += w.got
	w.wake(nil)
	return true
}

// Len is the number of slots that are neither used nor released.
func (r *Reservation) Len() int {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return r.held
}

// Go starts fn at once on one of the slots; otherwise it is like Pool.Go. When fn is over its slot goes
// back to the pool. With no slot left it answers ErrNoSlot, on a stopped pool ErrStopped.
func (r *Reservation) Go(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return errNilFunc
	}
	p := r.pool
	now := p.clock.now()
	e := &entry{ctx: ctx, fn: fn, since: now}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.books.submitted++
	p.books.waiting++
	if p.phase >= phaseDraining {
		p.reject(e, ErrStopped)
		return ErrStopped
	}
	if r.held == 0 {
		p.reject(e, ErrNoSlot)
		return ErrNoSlot
	}
	p.control.rouse()
	r.held--
	p.held--
	p.busy++
	p.assign(e, now)
	return nil
}

// Release gives the unused slots back. Calling it again does nothing.
func (r *Reservation) Release() {
	p := r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase < phaseDraining { // or Stop has taken them back
		p.held -= r.held
	}
	r.held = 0
	p.settle()
}

// Free is how many slots a Reserve would find free now. It is a hint: the next moment may take them.
func (p *Pool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.limit-p.busy-p.held-p.waking-p.lent, 0)
}

// Limit is how many slots the pool has now. The autoscaler moves it.
func (p *Pool) Limit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

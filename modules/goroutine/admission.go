package goroutine

import (
	"context"
)

// Go submits fn and returns; fn runs on a worker. While QueueSize tasks wait, Go blocks until there is
// room, ctx ends (its cause is the answer), or the pool stops (ErrStopped). A task that calls Go on its
// own pool lends its slot to other work while it waits, so it cannot block the pool.
//
// fn gets ctx's values but not its cancellation, so it survives the request that caused it; it is
// cancelled, with cause ErrStopped, when Stop runs out of patience. An error or panic of fn is counted
// and logged.
func (p *Pool) Go(ctx context.Context, fn func(context.Context) error) error {
	return p.submit(ctx, fn, true)
}

// TryGo is Go without the wait: it answers ErrSaturated while QueueSize tasks wait.
func (p *Pool) TryGo(ctx context.Context, fn func(context.Context) error) error {
	return p.submit(ctx, fn, false)
}

func (p *Pool) submit(ctx context.Context, fn func(context.Context) error, wait bool) error {
	if fn == nil {
		return errNilFunc
	}
	return p.admit(ctx, &entry{ctx: ctx, fn: fn, since: p.clock.about()}, wait)
}

// admit puts e in the queue. If it cannot, its future is resolved with the error returned.
func (p *Pool) admit(ctx context.Context, e *entry, wait bool) error {
	p.mu.Lock()
	p.books.submitted++
	p.books.waiting++
	p.control.rouse()
	switch {
	case p.phase >= phaseDraining && !p.accepts(ctx, e):
		p.reject(e, ErrStopped)
		p.mu.Unlock()
		return ErrStopped
	case p.blocked.n == 0 && p.hasRoom():
		p.enqueue(e)
		p.settle()
		p.mu.Unlock()
		return nil
	case !wait:
		p.reject(e, ErrSaturated)
		p.mu.Unlock()
		return ErrSaturated
	}
	return p.block(ctx, e)
}

// enqueue needs mu and room.
func (p *Pool) enqueue(e *entry) {
	p.queued.push(e)
	if e.future != nil {
		e.future.queued = true
	}
}

// accepts says whether a pool that drains takes e all the same: what one of its own tasks waits for is
// part of what it drains.
func (p *Pool) accepts(ctx context.Context, e *entry) bool {
	return p.phase == phaseDraining && e.future != nil && p.current(ctx) != nil
}

// hasRoom says whether a task may join the queue. Without a queue, one may for each free slot.
func (p *Pool) hasRoom() bool {
	if p.cfg.QueueSize > 0 {
		return p.queued.n < p.cfg.QueueSize
	}
	return p.queued.n < p.limit-p.busy-p.held
}

// block waits for room. It needs mu and unlocks it.
func (p *Pool) block(ctx context.Context, e *entry) error {
	w := p.newWaiter()
	w.entry = *e
	p.blocked.push(&w.node)
	p.mu.Unlock()

	lent := lend(ctx)
	select {
	case <-w.signal:
	case <-ctx.Done():
	}

	p.mu.Lock()
	err := w.err
	if !w.woken {
		p.blocked.remove(&w.node)
		err = context.Cause(ctx)
		p.reject(e, err)
	}
	p.recycle(w)
	p.mu.Unlock()
	lent.reclaim()
	return err
}

// unblock lets blocked submitters in while there is room. A fast pool waits until half of its queue is
// empty, so that a submitter wakes for many tasks, not for each. It needs mu.
func (p *Pool) unblock() {
	if p.queued.n > p.cfg.QueueSize/2 && p.clock.fast.Load() {
		return
	}
	for p.blocked.n > 0 && p.hasRoom() {
		w := p.blocked.pop()
		p.enqueue(&w.entry)
		w.wake(nil)
	}
}

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
	p.mu.Lock()
	t := p.newTask()
	t.pool, t.ctx, t.fn, t.pooled, t.orphan = p, ctx, fn, true, true
	return p.admit(ctx, t, wait)
}

// newTask returns a zero task. A fast pool (see clock) makes sixteen at once, since all of them will
// be garbage soon; otherwise one that runs for long would keep fifteen contexts from the collector.
// It needs mu.
func (p *Pool) newTask() *task {
	if !p.clock.fast.Load() {
		return &task{}
	}
	if len(p.slab) == 0 {
		p.slab = make([]task, slabSize)
	}
	t := &p.slab[0]
	p.slab = p.slab[1:]
	return t
}

const slabSize = 16

// admit puts t in the queue. If it cannot, t is done with the error returned. It needs mu and unlocks it.
func (p *Pool) admit(ctx context.Context, t *task, wait bool) error {
	t.since = p.clock.about()
	p.books.submitted++
	p.books.waiting++
	p.control.rouse()
	switch {
	case p.phase >= phaseDraining && !p.accepts(ctx, t):
		p.reject(t, ErrStopped)
		p.mu.Unlock()
		return ErrStopped
	case p.blocked.n == 0 && p.hasRoom():
		t.state = stateQueued
		p.queued.push(t)
		p.settle()
		p.mu.Unlock()
		return nil
	case !wait:
		p.reject(t, ErrSaturated)
		p.mu.Unlock()
		return ErrSaturated
	}
	return p.block(ctx, t)
}

// accepts says whether a pool that drains takes t all the same: what one of its own tasks waits for is
// part of what it drains.
func (p *Pool) accepts(ctx context.Context, t *task) bool {
	return p.phase == phaseDraining && !t.orphan && p.current(ctx) != nil
}

// hasRoom says whether a task may join the queue. Without a queue, one may for each free slot.
func (p *Pool) hasRoom() bool {
	if p.cfg.QueueSize > 0 {
		return p.queued.n < p.cfg.QueueSize
	}
	return p.queued.n < p.limit-p.busy-p.held
}

// block waits for room. It needs mu and unlocks it.
func (p *Pool) block(ctx context.Context, t *task) error {
	w := p.newWaiter()
	w.task = t
	t.state = stateBlocked
	p.blocked.push(&w.node)
	lent := p.lend(p.current(ctx))
	p.mu.Unlock()

	select {
	case <-w.signal:
	case <-ctx.Done():
	}

	p.mu.Lock()
	err := w.err
	if !w.woken {
		p.blocked.remove(&w.node)
		err = context.Cause(ctx)
		p.reject(t, err)
	}
	p.recycle(w)
	p.mu.Unlock()
	p.reclaim(lent)
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
		w.task.state = stateQueued
		p.queued.push(w.task)
		w.wake(nil)
	}
}

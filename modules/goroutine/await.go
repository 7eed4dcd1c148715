package goroutine

import "context"

// await waits for t and returns its error; ok is false if ctx ended first. helpful says that ctx cannot
// end before t's own context does, so that the awaiting task may as well run t itself.
func (t *task) await(ctx context.Context, helpful bool) (err error, ok bool) { //nolint:revive // comma-ok
	p := t.pool
	host := p.current(ctx)
	p.mu.Lock()
	if t.state == stateDone {
		defer p.mu.Unlock()
		return t.err, true
	}
	if t.state == stateQueued && host != nil && helpful {
		p.queued.remove(&t.node)
		p.beginInline(t, host, p.now())
		p.settle() // there is room in the queue
		p.mu.Unlock()
		return t.runInline(), true
	}
	done := t.doneChan()
	lent := p.lend(host)
	p.mu.Unlock()

	select {
	case <-done:
		ok = true
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.reclaim(lent)
	if ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		err = t.err
	}
	return err, ok
}

// doneChan needs mu.
func (t *task) doneChan() chan struct{} {
	if t.done == nil {
		t.done = make(chan struct{})
		if t.state == stateDone {
			close(t.done)
		}
	}
	return t.done
}

// runInline runs a begun task on the goroutine of the one that awaits it.
func (t *task) runInline() (err error) {
	err = ErrGoexit
	defer func() {
		t.end(err)
		t.pool.mu.Lock()
		defer t.pool.mu.Unlock()
		t.pool.finish(t, err, t.pool.now())
	}()
	err = t.call()
	return err
}

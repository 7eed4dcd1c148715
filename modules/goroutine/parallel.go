package goroutine

import (
	"context"
	"time"
)

// Parallel runs fns at the same time and returns their errors, each at its function's index. It returns
// when all are over. The caller helps: it runs what no worker has started, so Parallel never waits for
// a free worker, cannot deadlock however deeply it is nested, and never answers ErrSaturated. One
// function runs in place.
//
// ctx's cancellation reaches fns, and those not yet started then fail with its cause; so does the end
// of Stop's patience. A panic becomes a *PanicError. On a stopped pool every error is ErrStopped, but
// not for the joins of tasks that a stopping pool still drains.
//
// A function that calls runtime.Goexit gets ErrGoexit on a worker. Run by the caller, it also ends the
// caller's goroutine, as it would without a pool; the other functions are run and waited for all the same.
func (p *Pool) Parallel(ctx context.Context, fns ...func(context.Context) error) []error {
	if len(fns) == 0 {
		return nil
	}
	g := p.newGroup(ctx, len(fns))
	for i, fn := range fns {
		if fn == nil {
			fn = runNil
		}
		g.tasks[i].body = funcBody(fn)
	}
	return g.join()
}

func runNil(context.Context) error { return errNilFunc }

// group is a set of tasks whose submitter waits for all of them.
type group struct {
	pool   *Pool
	ctx    context.Context // the caller's
	host   *task           // the task that joins, if it is one of this pool's
	tasks  []task
	cancel context.CancelCauseFunc // may be nil; see Pool.scope

	// Guarded by Pool.mu.
	next    int // tasks before it are claimed
	pending int
	ready   chan struct{} // made when the joiner waits; closed when all tasks are done
}

// newGroup returns a group of n tasks that still need a body.
func (p *Pool) newGroup(ctx context.Context, n int) *group {
	g := &group{pool: p, ctx: ctx, host: p.current(ctx), tasks: make([]task, n), pending: n}
	scoped, pooled, cancel := p.scope(ctx)
	g.cancel = cancel
	now := p.now()
	for i := range g.tasks {
		t := &g.tasks[i]
		t.pool, t.ctx, t.pooled, t.group, t.enqueued = p, scoped, pooled, g, now
		t.value = t
	}
	return g
}

// scope returns a context that ends with ctx and with the pool's patience. Most contexts need no
// merging: those that never end (pooled: the task itself adds the pool's end) and those that pass the
// pool's own Done through. For a merged one, Stop calls cancel; so must the caller.
func (p *Pool) scope(ctx context.Context) (scoped context.Context, pooled bool, cancel context.CancelCauseFunc) {
	switch ctx.Done() {
	case nil:
		return ctx, true, nil
	case p.hard.Done():
		return ctx, false, nil
	default:
		scoped, cancel = context.WithCancelCause(ctx)
		return scoped, false, cancel
	}
}

// join runs the group and returns its errors in order.
func (g *group) join() []error {
	if g.cancel != nil {
		defer g.cancel(nil)
	}
	g.help(g.submit())
	errs := make([]error, len(g.tasks))
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	for i := range g.tasks {
		errs[i] = g.tasks[i].err
	}
	return errs
}

// submit offers the tasks to the workers, but for the first, which it returns begun for the caller.
func (g *group) submit() *task {
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.books.submitted += uint64(len(g.tasks))
	p.books.waiting += len(g.tasks)
	if p.phase == phaseCancelled || p.phase == phaseDraining && g.host == nil {
		for i := range g.tasks {
			p.reject(&g.tasks[i], ErrStopped)
		}
		return nil
	}
	for i := range g.tasks {
		t := &g.tasks[i]
		t.state = stateJoined
		p.joined.push(&t.node)
	}
	t := g.claim(g.tasks[0].enqueued)
	if p.joined.n > 0 {
		p.settle()
	}
	return t
}

// help runs t and then whatever no worker has claimed, and waits for the rest. If a function ends the
// goroutine with runtime.Goexit, the deferred call goes on in its place.
func (g *group) help(t *task) {
	over := false
	defer func() {
		if !over {
			t.end(ErrGoexit)
			g.help(g.advance(t, ErrGoexit))
		}
	}()
	for t != nil {
		err := t.call()
		t.end(err)
		t = g.advance(t, err)
	}
	over = true
}

// advance does the books of the task that the joiner has run and claims the next one. When there is
// none it waits for those that workers run, with the joiner's slot lent to other work, and returns nil.
func (g *group) advance(prev *task, err error) *task {
	p := g.pool
	now := p.now()
	p.mu.Lock()
	p.finish(prev, err, now)
	t := g.claim(now)
	if t != nil || g.pending == 0 {
		p.mu.Unlock()
		return t
	}
	g.ready = make(chan struct{})
	lent := p.lend(g.host)
	p.mu.Unlock()
	<-g.ready
	p.reclaim(lent)
	return nil
}

// claim takes the next task that waits out of the pool's hands. It needs mu.
func (g *group) claim(now time.Duration) *task {
	for g.next < len(g.tasks) {
		t := &g.tasks[g.next]
		g.next++
		if t.state == stateJoined {
			g.pool.joined.remove(&t.node)
			g.pool.beginInline(t, g.host, now)
			return t
		}
	}
	return nil
}

// memberDone needs mu.
func (g *group) memberDone() {
	g.pending--
	if g.pending == 0 && g.ready != nil {
		close(g.ready)
	}
}

package goroutine

import (
	"context"
	"time"
)

// group is a set of functions whose submitter waits for all of them. It is one entry in the pool's
// queue, however many they are: workers and the submitter claim them by index, in order. Each of them
// counts as a task in the books.
type group struct {
	n    int
	fns  []func(context.Context) error              // either these
	each func(ctx context.Context, index int) error // or this, n times
	pc   uintptr                                    // whose name each goes by, if not its own

	pool   *Pool
	cancel context.CancelCauseFunc // may be nil; see Pool.scope
	ctx    context.Context         // scoped
	pooled bool                    // see task
	lane   exec                    // the submitter
	task   task                    // and what its functions get

	// Guarded by Pool.mu.
	node    node[group]
	since   time.Duration
	errs    []error // nil while there is none
	next    int     // functions before it are claimed
	pending int
	ready   chan struct{} // made when the submitter waits; closed when all are over
}

// join runs the group and returns its errors in order. Without any, a group of one function returns nil.
func (g *group) join(ctx context.Context, p *Pool) []error {
	g.pool, g.pending = p, g.n
	g.node.value = g
	g.lane.inline = true
	g.ctx, g.pooled, g.cancel = p.scope(ctx)
	g.task = task{pool: p, ctx: g.ctx, pooled: g.pooled, inline: true}
	g.lane.task, g.lane.group = &g.task, g
	if g.cancel != nil {
		defer g.cancel(nil)
	}
	if g.submit() {
		g.help() //nolint:contextcheck // the group's task is the context
	}
	if g.errs == nil && g.each == nil {
		g.errs = make([]error, g.n)
	}
	return g.errs
}

// submit claims the first function for the submitter's lane and offers the rest to the workers.
func (g *group) submit() bool {
	p := g.pool
	g.since = p.clock.about()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.books.submitted += uint64(g.n)
	if p.phase == phaseCancelled || p.phase == phaseDraining && p.current(g.ctx) == nil {
		p.books.rejected += uint64(g.n)
		for i := range g.n {
			g.fail(i, ErrStopped)
		}
		return false
	}
	p.control.rouse()
	p.books.waiting += g.n
	p.joinable += g.n
	p.joined.push(&g.node)
	p.enlist(&g.lane)
	g.claim(&g.lane, g.since, true)
	if g.n > 1 {
		p.settle()
	}
	return true
}

// claim gives x the next function. It needs mu and a function that is left.
func (g *group) claim(x *exec, now time.Duration, timed bool) {
	if x.group != g {
		x.task = &task{pool: g.pool, ctx: g.ctx, pooled: g.pooled}
		x.shared, x.fn, x.future, x.group = false, nil, nil, g
	}
	x.index = g.next
	g.next++
	g.pool.joinable--
	if g.next == g.n {
		g.pool.joined.remove(&g.node)
	}
	g.pool.begin(x, g.since, now, timed)
}

func (g *group) call(ctx context.Context, i int) error {
	if g.each != nil {
		return g.each(ctx, i)
	}
	if fn := g.fns[i]; fn != nil {
		return fn(ctx)
	}
	return errNilFunc
}

func (g *group) name(i int) string {
	pc := g.pc
	switch {
	case pc != 0:
	case g.each != nil:
		pc = pcOf(g.each)
	default:
		pc = pcOf(g.fns[i])
	}
	return nameOf(g.ctx, pc)
}

// help runs the lane's function and then whatever no worker has claimed, and waits for the rest. If a
// function ends the goroutine with runtime.Goexit, the deferred call goes on in its place.
func (g *group) help() {
	over := false
	defer func() {
		if over {
			return
		}
		g.lane.end(ErrGoexit)
		if g.advance(ErrGoexit) {
			g.help()
		}
	}()
	for more := true; more; {
		err := g.lane.call()
		g.lane.end(err)
		more = g.advance(err)
	}
	over = true
}

// advance does the books of the function that the lane has run and claims the next one. When none is
// left it waits for those that workers run, with the submitter's slot lent to other work, and answers
// false.
func (g *group) advance(err error) bool {
	p := g.pool
	now := p.clock.about()
	p.mu.Lock()
	p.finish(&g.lane, err, now)
	if g.next < g.n {
		g.claim(&g.lane, now, true)
		p.mu.Unlock()
		return true
	}
	p.execs.remove(&g.lane.node)
	if g.pending == 0 {
		p.mu.Unlock()
		return false
	}
	g.ready = make(chan struct{})
	p.mu.Unlock()

	lent := lend(g.ctx)
	<-g.ready
	lent.reclaim()
	return false
}

// resolve stores the outcome of a function. It needs mu.
func (g *group) resolve(i int, err error) {
	if err != nil {
		g.fail(i, err)
	}
	g.pending--
	if g.pending == 0 && g.ready != nil {
		close(g.ready)
	}
}

func (g *group) fail(i int, err error) {
	if g.errs == nil {
		g.errs = make([]error, g.n)
	}
	g.errs[i] = err
}

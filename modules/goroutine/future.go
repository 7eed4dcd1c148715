package goroutine

import (
	"context"
	"slices"
)

// Future is the result of a task that Async submitted. It always resolves: with what the function
// returned, a *PanicError, ErrGoexit, the cause of a cancelled context, or ErrStopped. All methods may
// be called concurrently.
type Future[T any] struct {
	future future
	value  T
}

// future is what a Future has whatever its type.
type future struct {
	pool   *Pool
	pc     uintptr                 // of the function, for its name
	pooled bool                    // see task
	cancel context.CancelCauseFunc // may be nil; see Pool.scope
	ends   <-chan struct{}         // Done of Async's context

	// Guarded by Pool.mu.
	queued   bool
	resolved bool
	givenUp  bool // by Stop, while it ran
	err      error
	done     chan struct{} // made when somebody waits
	watchers []chan<- struct{}
}

// Async submits fn like Pool.Go and returns its future. It blocks while QueueSize tasks wait; if ctx
// ends or the pool stops meanwhile, the future is resolved with that error. ctx's cancellation reaches
// fn, and so does the end of Stop's patience; before fn starts it prevents the start.
//
// While the pool stops it still accepts futures from tasks that it drains.
func Async[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error)) *Future[T] {
	return async(ctx, p, pcOf(fn), fn)
}

// async is Async for a function that goes by another's name.
func async[T any](ctx context.Context, p *Pool, pc uintptr, fn func(context.Context) (T, error)) *Future[T] {
	f := &Future[T]{future: future{pool: p, pc: pc, ends: ctx.Done()}}
	e := &entry{future: &f.future, since: p.clock.about()}
	e.fn = func(ctx context.Context) error {
		if fn == nil {
			return errNilFunc
		}
		v, err := fn(ctx)
		f.value = v
		return err
	}
	e.ctx, f.future.pooled, f.future.cancel = p.scope(ctx)
	if err := p.admit(ctx, e, true); err != nil && f.future.cancel != nil {
		f.future.cancel(err)
	}
	return f
}

// NewFuture returns a future without a task, for results that come from several tasks or from outside
// the pool, and the function that resolves it; the first call counts. Whoever makes one must resolve it,
// when the pool stops at the latest.
func NewFuture[T any](p *Pool) (f *Future[T], resolve func(value T, err error)) {
	f = &Future[T]{future: future{pool: p}}
	return f, func(value T, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !f.future.resolved {
			f.value = value
			f.future.resolve(err)
		}
	}
}

// Await returns the result, or ctx's cause if ctx ends first; the task then goes on. A task that awaits
// a future of its own pool runs it in place if it has not started and shares ctx's cancellation;
// otherwise it lends its slot to other work while it waits. So awaiting cannot deadlock the pool.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if err, ok := f.future.await(ctx); !ok {
		var zero T
		return zero, err
	}
	return f.result()
}

// Done is closed when the future is resolved. Inside a task use Await, which cannot hold up the pool.
func (f *Future[T]) Done() <-chan struct{} {
	mu := &f.future.pool.mu
	mu.Lock()
	defer mu.Unlock()
	return f.future.doneChan()
}

// Poll returns the result without waiting; false means that there is none yet.
func (f *Future[T]) Poll() (T, error, bool) { //nolint:revive // the flag of a comma-ok comes last
	mu := &f.future.pool.mu
	mu.Lock()
	resolved := f.future.resolved
	mu.Unlock()
	if !resolved {
		var zero T
		return zero, nil, false
	}
	v, err := f.result()
	return v, err, true
}

// result needs a resolved future. A task that Stop gave up may still write value: it is not read then.
func (f *Future[T]) result() (T, error) {
	if f.future.givenUp {
		var zero T
		return zero, f.future.err
	}
	return f.value, f.future.err
}

// resolve needs mu.
func (f *future) resolve(err error) {
	f.resolved, f.err = true, err
	if f.done != nil {
		close(f.done)
	}
	for _, w := range f.watchers {
		select {
		case w <- struct{}{}:
		default: // it has a wake-up it has not taken yet
		}
	}
	f.watchers = nil
}

// watch sends to ch, which holds one, when the future resolves. It needs mu.
func (f *future) watch(ch chan<- struct{}) {
	if !f.resolved {
		f.watchers = append(f.watchers, ch)
	}
}

// unwatch needs mu.
func (f *future) unwatch(ch chan<- struct{}) {
	f.watchers = slices.DeleteFunc(f.watchers, func(w chan<- struct{}) bool { return w == ch })
}

// doneChan needs mu.
func (f *future) doneChan() chan struct{} {
	if f.done == nil {
		f.done = make(chan struct{})
		if f.resolved {
			close(f.done)
		}
	}
	return f.done
}

// await waits until f is resolved. It answers false, with the cause, if ctx ended first.
func (f *future) await(ctx context.Context) (error, bool) { //nolint:revive // the flag of a comma-ok comes last
	p := f.pool
	// A helping task cannot leave what it helps, so it helps only if ctx ends no earlier.
	ends := ctx.Done()
	helpful := (ends == nil || ends == f.ends || ends == p.hard.Done()) && p.current(ctx) != nil

	p.mu.Lock()
	if f.resolved {
		p.mu.Unlock()
		return nil, true
	}
	if f.queued && helpful {
		x := &exec{inline: true}
		p.enlist(x)
		e := p.queued.remove(f)
		p.start(x, &e, p.clock.now(), true)
		p.settle() // there is room in the queue
		p.mu.Unlock()
		p.runInline(x) //nolint:contextcheck // x's task is the context
		return nil, true
	}
	done := f.doneChan()
	p.mu.Unlock()

	defer lend(ctx).reclaim()
	select {
	case <-done:
		return nil, true
	case <-ctx.Done():
		return context.Cause(ctx), false
	}
}

// runInline runs a begun task on the goroutine of the one that awaits it.
func (p *Pool) runInline(e *exec) {
	err := ErrGoexit
	defer func() {
		e.end(err)
		now := p.clock.now()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.finish(e, err, now)
		p.execs.remove(&e.node)
	}()
	err = e.call()
}

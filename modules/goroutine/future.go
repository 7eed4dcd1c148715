package goroutine

import "context"

// Future is the result of a task that Async submitted. It always resolves: with what the function
// returned, a *PanicError, ErrGoexit, the cause of a cancelled context, or ErrStopped. All methods may
// be called concurrently.
type Future[T any] struct {
	task  task
	fn    func(context.Context) (T, error)
	value T
	ends  <-chan struct{} // Done of Async's context
}

// Async submits fn like Pool.Go and returns its future. It blocks while QueueSize tasks wait; if ctx
// ends or the pool stops meanwhile, the future is resolved with that error. ctx's cancellation reaches
// fn, and so does the end of Stop's patience; before fn starts it prevents the start.
//
// While the pool stops it still accepts futures from tasks that it drains.
func Async[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error)) *Future[T] {
	f := &Future[T]{fn: fn, ends: ctx.Done()}
	if fn == nil {
		f.fn = func(context.Context) (zero T, _ error) { return zero, errNilFunc }
	}
	scoped, pooled, cancel := p.scope(ctx)
	f.task = task{pool: p, ctx: scoped, pooled: pooled, cancel: cancel, body: f}
	if err := p.admit(ctx, &f.task, true); err != nil && cancel != nil {
		cancel(err)
	}
	return f
}

func (f *Future[T]) run(ctx context.Context) error {
	v, err := f.fn(ctx)
	f.value = v
	return err
}

func (f *Future[T]) pc() uintptr { return pcOf(f.fn) }

// Await returns the result, or ctx's cause if ctx ends first; the task then goes on. A task that awaits
// a future of its own pool runs it in place if it has not started and shares ctx's cancellation;
// otherwise it lends its slot to other work while it waits. So awaiting cannot deadlock the pool.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	ends := ctx.Done()
	helpful := ends == nil || ends == f.ends || ends == f.task.pool.hard.Done()
	err, ok := f.task.await(ctx, helpful)
	if !ok {
		var zero T
		return zero, err
	}
	return f.result(err)
}

// Done is closed when the future is resolved. Inside a task use Await, which cannot hold up the pool.
func (f *Future[T]) Done() <-chan struct{} {
	p := f.task.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return f.task.doneChan()
}

// Poll returns the result without waiting; false means that there is none yet.
func (f *Future[T]) Poll() (T, error, bool) { //nolint:revive // the flag of a comma-ok comes last
	p := f.task.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.task.state != stateDone {
		var zero T
		return zero, nil, false
	}
	v, err := f.result(f.task.err)
	return v, err, true
}

// result needs a resolved future. A task that Stop gave up may still write value: it is not read then.
func (f *Future[T]) result(err error) (T, error) {
	if f.task.givenUp {
		var zero T
		return zero, err
	}
	return f.value, err
}

package goroutine

import "context"

// Parallel runs fns at the same time and returns their errors, each at its function's index. It returns
// when all are over. The caller helps: it runs what no worker has started, so Parallel never waits for
// a free worker, cannot deadlock however deeply it is nested, and never answers ErrSaturated. A caller
// that is no task of the pool so adds one to the limit. One function runs in place.
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
	g := group{n: len(fns), fns: fns}
	return g.join(ctx, p)
}

// ParallelN is Parallel for one function that is told which of n calls it is, 0 to n-1. Where nothing
// fails it makes no slice of errors: nil says so.
func (p *Pool) ParallelN(ctx context.Context, n int, fn func(ctx context.Context, i int) error) []error {
	if n <= 0 {
		return nil
	}
	if fn == nil {
		fn = func(context.Context, int) error { return errNilFunc }
	}
	g := group{n: n, each: fn}
	return g.join(ctx, p)
}

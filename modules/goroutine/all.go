package goroutine

import (
	"context"
	"errors"
)

// All waits for all futures and returns their values, each at its future's index. The error joins those
// of all that failed, and ctx's cause if ctx ends first; the tasks then go on. It waits like Await.
func All[T any](ctx context.Context, futures ...*Future[T]) ([]T, error) {
	values := make([]T, len(futures))
	var failed []error
	for i, f := range futures {
		v, err := f.Await(ctx)
		values[i] = v
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return values, errors.Join(append(failed, context.Cause(ctx))...)
		}
	}
	return values, errors.Join(failed...)
}

// Any returns the value of the first future that succeeds; the others go on. If all fail the error
// joins theirs. If ctx ends first it is ctx's cause.
func Any[T any](ctx context.Context, futures ...*Future[T]) (T, error) {
	var zero T
	changed := make(chan struct{}, 1) // one wake-up covers all that resolved before it
	for _, f := range futures {
		f.future.pool.mu.Lock()
		f.future.watch(changed)
		f.future.pool.mu.Unlock()
	}
	defer func() {
		for _, f := range futures {
			f.future.pool.mu.Lock()
			f.future.unwatch(changed)
			f.future.pool.mu.Unlock()
		}
	}()
	defer lend(ctx).reclaim()
	for {
		var failed []error
		for _, f := range futures {
			v, err, resolved := f.Poll()
			if resolved && err == nil {
				return v, nil
			}
			if resolved {
				failed = append(failed, err)
			}
		}
		if len(failed) == len(futures) {
			return zero, errors.Join(append(failed, errNoFuture(futures))...)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return zero, context.Cause(ctx)
		}
	}
}

func errNoFuture[T any](futures []*Future[T]) error {
	if len(futures) == 0 {
		return errors.New("goroutine: Any of no futures")
	}
	return nil
}

package goroutine

import (
	"context"
	"reflect"
	"time"
)

// task is the context that a function gets. Functions that run on one goroutine one after the other,
// with the same context from their callers, share it; it is never used for another context, because a
// function may keep it.
type task struct {
	pool   *Pool
	ctx    context.Context // the caller's, or one merged by Pool.scope
	pooled bool            // takes values from ctx, but cancellation from the pool alone
	inline bool            // runs on the goroutine of whoever waits for it
	exec   *exec           // who runs it now, if anybody; guarded by Pool.mu
}

// shareable says whether ctx can be compared with another one of its type, cheaply and without panic.
func shareable(ctx context.Context) bool {
	t := reflect.TypeOf(ctx)
	return t.Kind() == reflect.Pointer || t.Size() == 0 && t.Comparable()
}

// Deadline is the caller's, unless only the pool may cancel the task.
func (t *task) Deadline() (deadline time.Time, ok bool) {
	if t.pooled {
		return time.Time{}, false
	}
	return t.ctx.Deadline()
}

func (t *task) Done() <-chan struct{} {
	if t.pooled {
		return t.pool.hard.Done()
	}
	return t.ctx.Done()
}

func (t *task) Err() error {
	if t.pooled {
		return t.pool.hard.Err()
	}
	return t.ctx.Err()
}

type (
	poolKey struct{ pool *Pool } // a task answers itself for its own pool
	taskKey struct{}             // and for any
	nameKey struct{}
)

// Value is the caller's. For a pooled task it asks the pool's cancel context first: that one answers
// the context package's private key only, and so lets it attach children without a goroutine and find
// the right Cause.
func (t *task) Value(key any) any {
	switch k := key.(type) {
	case poolKey:
		if k.pool == t.pool {
			return t
		}
		if !t.inline {
			return nil // a task of another pool up there runs on another goroutine
		}
	case taskKey:
		return t
	case nameKey:
		return nil // a name is for one task, not for those it submits
	}
	if t.pooled {
		if v := t.pool.hard.Value(key); v != nil {
			return v
		}
	}
	return t.ctx.Value(key)
}

// current is the task of this pool that runs with ctx, or nil.
func (p *Pool) current(ctx context.Context) *task {
	t, _ := ctx.Value(poolKey{p}).(*task)
	return t
}

// scope returns a context that ends with ctx and with the pool's patience. Most contexts need no
// merging: those that never end (pooled: the task adds the pool's end) and those that pass the pool's
// own Done through. For a merged one, Stop calls cancel; so must the caller.
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

package goroutine

import (
	"context"
	"reflect"
	"runtime"
	"time"
)

type taskState uint8

const (
	stateNew     taskState = iota
	stateBlocked           // its submitter waits for room
	stateQueued            // waits for a worker
	stateTaken             // runs or is over
)

// task is a function in the pool's hands and, at the same time, the context that the function gets: one
// allocation for both. The functions of a group that run on one goroutine, one after the other, share
// one task. It is never reused: a function may keep its context.
type task struct {
	pool   *Pool
	ctx    context.Context // the caller's, or one merged by Pool.scope
	fn     func(context.Context) error
	future *future // set if somebody may await it

	// Guarded by Pool.mu.
	exec  *exec         // who runs it now, if anybody
	since time.Duration // when it was submitted
	state taskState

	inline bool // runs on the goroutine of whoever waits for it; set before it runs
	pooled bool // takes values from ctx, but cancellation from the pool alone
	orphan bool // nobody reads its error, so the pool logs it
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

func (t *task) name() string {
	pc := pcOf(t.fn)
	if t.future != nil {
		pc = t.future.pc
	}
	return nameOf(t.ctx, pc)
}

// WithName names the task that is submitted with the returned context, in logs and in the report of
// Stop. A task without a name goes by the name of its function. The tasks that it submits itself do
// not inherit the name.
func WithName(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, nameKey{}, name)
}

func nameOf(ctx context.Context, pc uintptr) string {
	if name, ok := ctx.Value(nameKey{}).(string); ok {
		return name
	}
	if f := runtime.FuncForPC(pc); f != nil {
		return f.Name()
	}
	return "unknown"
}

func pcOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

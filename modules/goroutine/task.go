package goroutine

import (
	"context"
	"reflect"
	"runtime"
	"runtime/debug"
	"time"
)

type taskState uint8

const (
	stateNew     taskState = iota
	stateBlocked           // its submitter waits for room
	stateQueued            // waits for a worker
	stateJoined            // waits for a worker or for the joiner that needs it
	stateRunning
	stateDone
)

// slotState says what a running task does with its slot. A task that a joiner runs inline has none.
type slotState uint8

const (
	slotNone slotState = iota
	slotBusy           // the slot counts in Pool.busy
	slotLent           // its goroutine waits inside the pool; the slot counts in Pool.lent
)

// task is the record of one submitted function and, at the same time, the context that the function
// gets: one allocation for both. Fields below mu are guarded by Pool.mu.
type task struct {
	pool   *Pool
	ctx    context.Context // the caller's
	body   body
	cancel context.CancelCauseFunc // ends a context merged from the caller's and the pool's; may be nil

	// pooled tasks take values from ctx and cancellation from the pool alone.
	pooled bool
	// orphans have nobody who reads their error, so the pool logs it.
	orphan   bool
	panicked bool

	// mu:
	node[task]
	host     *task         // the task on whose goroutine a joiner runs this one; nil on a worker or outside
	group    *group        // told when the task is done; may be nil
	done     chan struct{} // made when somebody waits; closed when the task is done
	err      error
	enqueued time.Duration
	started  time.Duration
	state    taskState
	slot     slotState
	inline   bool // run by its joiner
	givenUp  bool // resolved by Stop while it ran
	stuck    bool
	lenders  int32
}

// end follows call, before the books do.
func (t *task) end(err error) {
	if t.cancel != nil {
		t.cancel(nil)
	}
	if t.orphan && err != nil {
		t.pool.logFailure(t, err)
	}
}

// body is what a task runs. A function value converts to it without allocation.
type body interface {
	run(ctx context.Context) error
	pc() uintptr
}

type funcBody func(ctx context.Context) error

func (f funcBody) run(ctx context.Context) error { return f(ctx) }
func (f funcBody) pc() uintptr                   { return pcOf(f) }

func pcOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

// call runs the body. A panic becomes a *PanicError; runtime.Goexit cannot be stopped, so call does
// not return then and the caller's deferred function does the books.
func (t *task) call() (err error) {
	if !t.pooled && t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	defer func() {
		if v := recover(); v != nil {
			t.panicked = true
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return t.body.run(t)
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
			return nil // another pool's task up there runs on another goroutine
		}
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

// holder is the task whose slot pays for t.
func (t *task) holder() *task {
	for t != nil && t.slot == slotNone {
		t = t.host
	}
	return t
}

func (t *task) name() string {
	if name, ok := t.ctx.Value(nameKey{}).(string); ok {
		return name
	}
	if f := runtime.FuncForPC(t.body.pc()); f != nil {
		return f.Name()
	}
	return "unknown"
}

// WithName names the task that is submitted with the returned context, in logs and in the report of
// Stop. A task without a name goes by the name of its function. The tasks that it submits itself do
// not inherit the name.
func WithName(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, nameKey{}, name)
}

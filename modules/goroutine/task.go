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
	stateRunning
	stateDone
)

// slotState says what a running task does with its slot. One that runs on the goroutine of another
// task, or outside the pool, has none.
type slotState uint8

const (
	slotNone slotState = iota
	slotBusy           // the slot counts in Pool.busy
	slotLent           // its goroutine waits inside the pool; the slot counts in Pool.lent
)

// task is one function in the pool's hands and, at the same time, the context that the function gets:
// one allocation for both. For the functions of a group it is a lane, which runs several of them one
// after the other. Pool.mu guards the fields below it.
type task struct {
	pool *Pool
	ctx  context.Context // the caller's, or one merged by Pool.scope
	fn   func(context.Context) error

	group  *group  // set for a lane; fn is unused then
	future *future // set for a task that somebody may await

	pooled   bool // takes values from ctx, but cancellation from the pool alone
	orphan   bool // nobody reads its error, so the pool logs it
	inline   bool // runs on the goroutine of whoever waits for it
	panicked bool // written by the goroutine that runs it

	// mu:
	state   taskState
	slot    slotState
	timed   bool  // its start is exact: see clock
	givenUp bool  // counted and resolved by Stop while it ran
	index   int32 // which function of the group
	lenders int16 // goroutines that wait with its slot lent
	stuck   bool
	node    node[task]
	host    *task         // the task on whose goroutine it runs inline; may be nil
	since   time.Duration // submitted while it waits, started while it runs
}

// call runs the function. A panic becomes a *PanicError; runtime.Goexit cannot be stopped, so call does
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
	if g := t.group; g != nil {
		return g.call(t, int(t.index))
	}
	return t.fn(t)
}

// end follows call, before the books do.
func (t *task) end(err error) {
	if m := &t.pool.telemetry; m.duration != nil && t.timed && m.duration.Enabled(t) {
		m.record(t, err, t.pool.clock.now()-t.since)
	}
	if t.future != nil && t.future.cancel != nil {
		t.future.cancel(nil)
	}
	if t.orphan && err != nil {
		t.pool.logFailure(t, err)
	}
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

// holder is the task whose slot pays for t; nil if none does.
func (t *task) holder() *task {
	for t != nil && t.slot == slotNone {
		t = t.host
	}
	return t
}

func (t *task) name() string {
	pc := pcOf(t.fn)
	switch {
	case t.group != nil:
		return t.group.name(int(t.index))
	case t.future != nil:
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

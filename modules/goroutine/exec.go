package goroutine

import (
	"context"
	"runtime/debug"
	"time"
)

// slotState says what whoever runs a task does with the slot that pays for it.
type slotState uint8

const (
	slotNone slotState = iota // idle, or inline: the slot of the task that waits pays, if there is one
	slotBusy                  // the slot counts in Pool.busy
	slotLent                  // the goroutine waits inside the pool; the slot counts in Pool.lent
)

// exec runs tasks one after the other: it is part of a worker, or of a goroutine that runs inline what
// it waits for. Pool.mu guards it, but the goroutine may read what it runs while it does.
type exec struct {
	node node[exec] // in Pool.execs, for its life

	task   *task // the context of what it runs, or ran last; nil before
	fn     func(context.Context) error
	future *future
	group  *group
	index  int // of the group's function
	since  time.Duration
	label  string // see Rename

	turn     uint64 // counts tasks, so that a late reclaim cannot touch the next one's slot
	lenders  int    // goroutines that wait with the slot lent
	slot     slotState
	running  bool
	slab     []task // see newTask
	shared   bool   // task may be used again for the same context
	inline   bool
	timed    bool // since is exact: see clock
	givenUp  bool // counted and resolved by Stop already
	stuck    bool
	panicked bool // written by the goroutine alone
}

// call runs the function. A panic becomes a *PanicError; runtime.Goexit cannot be stopped, so call does
// not return then and the caller's deferred function does the books.
func (e *exec) call() (err error) {
	t := e.task
	if !t.pooled && t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	defer func() {
		if v := recover(); v != nil {
			e.panicked = true
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if g := e.group; g != nil {
		return g.call(t, e.index)
	}
	return e.fn(t)
}

// end follows call, before the books do.
func (e *exec) end(err error) {
	if m := &e.task.pool.telemetry; m.duration != nil && e.timed && m.duration.Enabled(e.task) {
		m.record(e, err, e.task.pool.clock.now()-e.since)
	}
	switch {
	case e.group != nil:
	case e.future == nil && err != nil: // nobody else will see the error
		e.task.pool.logFailure(e, err)
	case e.future != nil && e.future.cancel != nil:
		e.future.cancel(nil)
	}
}

func (e *exec) name() string {
	switch {
	case e.label != "":
		return e.label
	case e.group != nil:
		return e.group.name(e.index)
	case e.future != nil:
		return nameOf(e.task.ctx, e.future.pc)
	default:
		return nameOf(e.task.ctx, pcOf(e.fn))
	}
}

// cancel is what ends the context that the task was given, if the pool's own end does not.
func (e *exec) cancel() context.CancelCauseFunc {
	switch {
	case e.group != nil:
		return e.group.cancel
	case e.future != nil:
		return e.future.cancel
	default:
		return nil
	}
}

const slabSize = 16

// newTask makes sixteen contexts at once for a fast pool (see clock), where all of them will be garbage
// soon; otherwise one that is kept for long would keep fifteen others.
func (e *exec) newTask(fast bool) *task {
	if !fast {
		e.slab = nil
		return &task{}
	}
	if len(e.slab) == 0 {
		e.slab = make([]task, slabSize)
	}
	t := &e.slab[0]
	e.slab = e.slab[1:]
	return t
}

// forget lets the collector have what an idle worker ran last.
func (e *exec) forget() {
	e.task, e.fn, e.future, e.group, e.slab, e.shared = nil, nil, nil, nil, nil, false
}

// enlist needs mu.
func (p *Pool) enlist(e *exec) {
	e.node.value = e
	p.execs.push(&e.node)
}

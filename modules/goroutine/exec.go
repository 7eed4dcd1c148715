package goroutine

import (
	"context"
	"runtime/debug"
	"time"
)

// slotState says what whoever runs a task does with the slot that pays for it.
type slotState uint8

const (
	slotNone slotState = iota // idle, or inline: the slot of the host pays, if there is one
	slotBusy                  // the slot counts in Pool.busy
	slotLent                  // the goroutine waits inside the pool; the slot counts in Pool.lent
)

// exec runs tasks one after the other: it is part of a worker, or of a goroutine that runs inline what
// it waits for. Pool.mu guards it, but the goroutine may read task, group and index while it runs them.
type exec struct {
	node node[exec] // in Pool.execs, for its life
	host *task      // for an inline one, the task on whose goroutine it runs, if it is one of the pool's

	task  *task // what it runs; nil if nothing
	group *group
	index int // of the group's function
	since time.Duration

	turn     uint64 // counts tasks, so that a late reclaim cannot touch the next one's slot
	lenders  int    // goroutines that wait with the slot lent
	slot     slotState
	inline   bool
	timed    bool // since is exact: see clock
	givenUp  bool // counted and resolved by Stop already
	stuck    bool
	panicked bool // written by the goroutine alone
}

// call runs the task. A panic becomes a *PanicError; runtime.Goexit cannot be stopped, so call does not
// return then and the caller's deferred function does the books.
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
	return t.fn(t)
}

// end follows call, before the books do.
func (e *exec) end(err error) {
	t := e.task
	if m := &t.pool.telemetry; m.duration != nil && e.timed && m.duration.Enabled(t) {
		m.record(e, err, t.pool.clock.now()-e.since)
	}
	if t.future != nil && t.future.cancel != nil {
		t.future.cancel(nil)
	}
	if t.orphan && err != nil {
		t.pool.logFailure(t, err)
	}
}

func (e *exec) name() string {
	if e.group != nil {
		return e.group.name(e.index)
	}
	return e.task.name()
}

// cancel is what ends the context that the task was given, if the pool's own end does not.
func (e *exec) cancel() context.CancelCauseFunc {
	switch {
	case e.group != nil:
		return e.group.cancel
	case e.task.future != nil:
		return e.task.future.cancel
	default:
		return nil
	}
}

// holder is the exec whose slot pays for t; nil if none does.
func (t *task) holder() *exec {
	for t != nil && t.exec != nil {
		if t.exec.slot != slotNone {
			return t.exec
		}
		t = t.exec.host
	}
	return nil
}

// enlist needs mu.
func (p *Pool) enlist(e *exec) {
	e.node.value = e
	p.execs.push(&e.node)
}

package events

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// run carries one event through its listeners, stage by stage. Runs are reused
// and keep their functions, so that a dispatch allocates next to nothing of its
// own.
type run struct {
	bus    *Bus
	event  Any
	routes []*route
	// delivery asks the ledger before each listener.
	delivery bool
	// fns runs the route of the same index.
	fns []func(context.Context) error
	// errs is what the routes returned, as far as they were run.
	errs []error
	// took is how long each route ran, in nanoseconds; empty if nobody asks.
	// A listener that outlives the pool's patience may write it late.
	took []atomic.Int64
	// label is the event's metric label, if durations are measured; spans asks
	// for a span per listener.
	label string
	spans bool
}

// newRun takes a run for the routes of one event.
func (b *Bus) newRun(e Any, routes []*route) *run {
	r, ok := b.runs.Get().(*run)
	if !ok {
		r = &run{bus: b}
	}
	r.event, r.routes = e, routes
	if len(r.fns) < len(routes) {
		r.grow(len(routes))
	}
	return r
}

// clock makes the run measure how long each listener takes.
func (r *run) clock() { r.took = make([]atomic.Int64, len(r.routes)) }

func (r *run) grow(n int) {
	for i := len(r.fns); i < n; i++ {
		r.fns = append(r.fns, func(ctx context.Context) error { return r.step(ctx, i) })
	}
}

// release gives the run back for reuse. Only a run whose listeners have all
// returned may go back: one that outlived its pool could still use it.
func (r *run) release() {
	*r = run{bus: r.bus, fns: r.fns}
	r.bus.runs.Put(r)
}

// stages runs the listeners and says whether all of them finished.
func (r *run) stages(ctx context.Context) bool {
	for from := 0; from < len(r.routes); {
		to := from + 1
		for to < len(r.routes) && r.routes[to].order == r.routes[from].order {
			to++
		}
		errs := r.bus.pool.Parallel(ctx, r.fns[from:to]...)
		if from == 0 {
			r.errs = errs
		} else {
			r.errs = append(r.errs, errs...)
		}
		for _, err := range errs {
			if err != nil && !isSkip(err) {
				return false
			}
		}
		from = to
	}
	return true
}

// step runs one listener, on whatever goroutine the pool chose.
func (r *run) step(ctx context.Context, i int) error {
	handle := r.routes[i].handle
	if r.delivery {
		handle = r.routes[i].deliver
	}
	if r.took != nil {
		took, began := &r.took[i], time.Now()
		defer func() { took.Store(int64(time.Since(began))) }()
	}
	if r.spans || r.label != "" {
		return r.bus.tel.observed(ctx, r, r.routes[i], handle)
	}
	return handle(ctx, &r.event)
}

// results reports each step.
func (r *run) results() []ListenerResult {
	results := make([]ListenerResult, len(r.routes))
	for i, rt := range r.routes {
		if i >= len(r.errs) {
			results[i] = ListenerResult{Listener: rt.name, Status: StatusNotRun}
			continue
		}
		var took time.Duration
		if r.took != nil {
			took = time.Duration(r.took[i].Load())
		}
		results[i] = newResult(rt.name, r.errs[i], took)
	}
	return results
}

func isSkip(err error) bool {
	_, skip := errors.AsType[*skipError](err)
	return skip
}

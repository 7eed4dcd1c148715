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
	bus   *Bus
	event Any
	// steps and fns correspond by index.
	steps []step
	fns   []func(context.Context) error
}

type step struct {
	route *route
	ran   bool
	err   error
	took  atomic.Int64 // nanoseconds; set by the goroutine that ran it
}

// newRun takes a run for the routes of one event.
func (b *Bus) newRun(e Any, routes []*route) *run {
	r, ok := b.runs.Get().(*run)
	if !ok {
		r = &run{bus: b}
	}
	r.event = e
	for i := len(r.fns); i < len(routes); i++ {
		r.fns = append(r.fns, func(ctx context.Context) error { return r.step(ctx, i) })
	}
	if cap(r.steps) < len(routes) {
		r.steps = make([]step, len(routes))
	}
	r.steps = r.steps[:len(routes)]
	for i, rt := range routes {
		r.steps[i].route = rt
	}
	return r
}

// release gives the run back for reuse. Only a run whose steps have all
// returned may go back: a listener that outlived its pool could still use it.
func (r *run) release() {
	clear(r.steps)
	r.event = Any{}
	r.bus.runs.Put(r)
}

// stages runs the listeners and says whether all of them finished.
func (r *run) stages(ctx context.Context) bool {
	for from := 0; from < len(r.steps); {
		to := from + 1
		for to < len(r.steps) && r.steps[to].route.order == r.steps[from].route.order {
			to++
		}
		finished := true
		for i, err := range r.bus.pool.Parallel(ctx, r.fns[from:to]...) {
			s := &r.steps[from+i]
			s.ran, s.err = true, err
			finished = finished && (err == nil || isSkip(err))
		}
		if !finished {
			return false
		}
		from = to
	}
	return true
}

// step runs one listener, on whatever goroutine the pool chose.
func (r *run) step(ctx context.Context, i int) error {
	s := &r.steps[i]
	began := time.Now()
	defer func() { s.took.Store(int64(time.Since(began))) }()
	return s.route.handle(ctx, r.event)
}

// results reports each step.
func (r *run) results() []ListenerResult {
	results := make([]ListenerResult, len(r.steps))
	for i := range r.steps {
		s := &r.steps[i]
		results[i] = newResult(s.route.name, s.err, time.Duration(s.took.Load()))
		if !s.ran {
			results[i] = ListenerResult{Listener: s.route.name, Status: StatusNotRun}
		}
	}
	return results
}

func isSkip(err error) bool {
	_, skip := errors.AsType[*skipError](err)
	return skip
}

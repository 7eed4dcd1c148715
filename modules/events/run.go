package events

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// run carries one event through its listeners, stage by stage. Runs are reused
// and keep their functions, so that a dispatch allocates next to nothing of its
// own.
type run struct {
	bus    *Bus
	home   *sync.Pool // where it rests
	routes []*route
	// way is how the event under way gets into a route: short, if set took it,
	// else general, which hands on event.
	way     way
	general way
	short   way
	set     func(Any) bool // nil if none of the routes has a view
	event   incoming
	// errs is what the routes returned, by index; nil while none returned an
	// error. ran is how many were run.
	errs []error
	ran  int
	// skipped says that some of errs are skips.
	skipped bool
	// watched says that one of the fields below is set.
	watched bool
	// timed says that took is kept.
	timed bool
	// delivery asks the ledger before each listener.
	delivery bool
	// took is how long each route ran, in nanoseconds; empty if nobody asks.
	// A listener that outlives the pool's patience may write it late. names are
	// the routes', for the ledger. Both are kept for the next event.
	took  []atomic.Int64
	names []string
	// label is the event's metric label, if durations are measured; spans asks
	// for a span per listener.
	label string
	spans bool
}

// newRun takes a run for these routes. It needs an event: by set, if there is
// one and it agrees, or by load.
func (b *Bus) newRun(to match) *run {
	home := &b.runs
	if to.viewed != nil {
		home = &to.viewed.runs
	}
	r, ok := home.Get().(*run)
	if !ok {
		r = &run{bus: b, home: home}
		r.general = r.hand
		if to.viewed != nil {
			r.set, r.short = to.viewed.view.bind(r)
		}
	}
	r.routes, r.way = to.routes, r.short
	return r
}

// load lets the event go the general way.
func (r *run) load(e *Any) {
	r.event.Any, r.way = *e, r.general
	if payload, ok := e.Data.(*Payload); ok {
		payload.shared.Store(len(r.routes) > 1)
	}
}

// time makes the run measure how long each listener takes.
func (r *run) time() {
	if cap(r.took) < len(r.routes) {
		r.took = make([]atomic.Int64, len(r.routes))
	}
	r.took = r.took[:len(r.routes)]
	for i := range r.took {
		r.took[i].Store(0)
	}
	r.timed, r.watched = true, true
}

// hand is the general way.
func (r *run) hand(ctx context.Context, i int) error {
	if r.watched {
		return r.step(ctx, i)
	}
	return r.routes[i].handle(ctx, &r.event)
}

// release gives the run back for reuse. Only a run whose listeners have all
// returned may go back: one that outlived its pool could still use it.
func (r *run) release() {
	if r.watched {
		r.label, r.spans, r.watched, r.delivery, r.timed, r.event.key = "", false, false, false, false, ""
	}
	r.event.Data, r.event.Metadata, r.routes, r.errs, r.ran, r.skipped = nil, nil, nil, nil, 0, false
	r.home.Put(r)
}

// stages runs the listeners and says whether all of them finished.
func (r *run) stages(ctx context.Context) bool {
	for r.ran < len(r.routes) {
		from, to := r.ran, len(r.routes) // they are sorted: most events have one stage
		for r.routes[to-1].order != r.routes[from].order {
			to--
		}
		errs := r.stage(ctx, from, to)
		r.ran = to
		if errs != nil && !r.note(from, errs) {
			return false
		}
	}
	return true
}

// stage runs the listeners from one index to another in parallel, and returns
// their errors, nil if there is none. One alone is called in place, which is
// what the pool would do, at a price.
func (r *run) stage(ctx context.Context, from, to int) []error {
	if to-from > 1 {
		way := r.way
		if from > 0 {
			way = func(ctx context.Context, i int) error { return r.way(ctx, from+i) }
		}
		return r.bus.pool.ParallelN(ctx, to-from, way)
	}
	if ctx.Err() != nil {
		return []error{context.Cause(ctx)}
	}
	if err := r.alone(ctx, from); err != nil {
		return []error{err}
	}
	return nil
}

// note keeps the errors of a stage and says whether they are skips only.
func (r *run) note(from int, errs []error) bool {
	if r.errs == nil {
		r.errs = make([]error, len(r.routes))
	}
	copy(r.errs[from:], errs)
	finished := true
	for _, err := range errs {
		switch {
		case err == nil:
		case IsSkip(err):
			r.skipped = true
		default:
			finished = false
		}
	}
	return finished
}

func (r *run) alone(ctx context.Context, i int) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &goroutine.PanicError{Value: fault, Stack: debug.Stack()}
		}
	}()
	return r.way(ctx, i)
}

// step runs one listener as something or someone wants to know about it, on
// whatever goroutine the pool chose.
func (r *run) step(ctx context.Context, i int) error {
	handle := r.routes[i].handle
	if r.delivery {
		handle = r.routes[i].deliver
	}
	if r.spans || r.label != "" {
		return r.bus.tel.observed(ctx, r, i, handle)
	}
	if r.timed {
		began := clock()
		defer func() { r.took[i].Store(int64(clock() - began)) }()
	}
	return handle(ctx, &r.event)
}

var epoch = time.Now()

// clock reads the monotonic clock alone, which takes half as long as time.Now.
func clock() time.Duration { return time.Since(epoch) }

func (r *run) outcome(e *Any) Outcome {
	o := Outcome{EventID: e.ID, Event: e.Name, Results: r.results()}
	for _, result := range o.Results {
		if result.Status != StatusFailed {
			continue
		}
		if o.NoListener = errors.Is(result.Err, ErrNoListener); !o.NoListener {
			break
		}
	}
	return o
}

// results reports each step.
func (r *run) results() []ListenerResult {
	results := make([]ListenerResult, len(r.routes))
	for i, rt := range r.routes {
		if i >= r.ran {
			results[i] = ListenerResult{Listener: rt.name, Status: StatusNotRun}
			continue
		}
		var took time.Duration
		if r.timed {
			took = time.Duration(r.took[i].Load())
		}
		var err error
		if r.errs != nil {
			err = r.errs[i]
		}
		results[i] = newResult(rt.name, err, took)
	}
	return results
}

// logSkips reports the skips of a run, which no caller gets to see.
func (r *run) logSkips(e *Any) {
	for i, err := range r.errs {
		if err != nil && !errors.Is(err, errAlreadyDone) {
			r.bus.log.Info("listener skipped the event", zap.String("listener", r.routes[i].name),
				zap.String("event", clip(e.Name)), zap.String("event_id", clip(e.ID)), zap.Error(err))
		}
	}
}

package events

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
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
	home   *sync.Pool
	routes []*route
	// fns runs the route of the same index: short, which hands the event that
	// set was given to the routes' views, or general, which hands on event.
	fns     []function
	general []function
	event   incoming
	short   []function
	set     func(Any) bool // nil if the run is bound to no name
	mixed   bool            // some of short hand on event
	// errs is what the routes returned, as far as they were run.
	errs []error
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

// newRun takes a run for these routes. It needs the event: by set, if it has one
// and that agrees, or by load.
func (b *Bus) newRun(routes []*route, known *knownName) *run {
	home := &b.runs
	if known != nil && known.views {
		home = &known.runs
	}
	r, ok := home.Get().(*run)
	if !ok {
		r = &run{bus: b, home: home}
		if home != &b.runs {
			r.bind(routes)
		}
	}
	r.routes, r.fns = routes, r.short
	return r
}

// bind makes the functions of the short way.
func (r *run) bind(routes []*route) {
	first := slices.IndexFunc(routes, func(rt *route) bool { return rt.view != nil })
	r.set, r.short = routes[first].view.bind(routes)
	r.grow(len(routes))
	for i, fn := range r.short {
		if fn == nil {
			r.short[i], r.mixed = r.general[i], true
		}
	}
}

// load hands the event to the general functions.
func (r *run) load(e *Any) {
	r.event.Any = *e
	r.grow(len(r.routes))
	r.fns = r.general
	if payload, ok := e.Data.(*Payload); ok {
		payload.shared.Store(len(r.routes) > 1)
	}
}

// clock makes the run measure how long each listener takes.
func (r *run) clock() {
	if cap(r.took) < len(r.routes) {
		r.took = make([]atomic.Int64, len(r.routes))
	}
	r.took = r.took[:len(r.routes)]
	for i := range r.took {
		r.took[i].Store(0)
	}
	r.timed, r.watched = true, true
}

func (r *run) grow(n int) {
	for i := len(r.general); i < n; i++ {
		r.general = append(r.general, func(ctx context.Context) error {
			if r.watched {
				return r.step(ctx, i)
			}
			return r.routes[i].handle(ctx, &r.event)
		})
	}
}

// release gives the run back for reuse. Only a run whose listeners have all
// returned may go back: one that outlived its pool could still use it.
func (r *run) release() {
	if r.watched {
		r.label, r.spans, r.watched, r.delivery, r.timed, r.event.key = "", false, false, false, false, ""
	}
	r.event.Data, r.event.Metadata, r.routes, r.errs, r.skipped = nil, nil, nil, nil, false
	r.home.Put(r)
}

// stages runs the listeners and says whether all of them finished.
func (r *run) stages(ctx context.Context) bool {
	for from := 0; from < len(r.routes); {
		to := len(r.routes) // they are sorted: most events have one stage
		for r.routes[to-1].order != r.routes[from].order {
			to--
		}
		errs := r.stage(ctx, from, to)
		if from == 0 {
			r.errs = errs
		} else {
			r.errs = append(r.errs, errs...)
		}
		for _, err := range errs {
			if err == nil {
				continue
			}
			if !isSkip(err) {
				return false
			}
			r.skipped = true
		}
		from = to
	}
	return true
}

// stage runs the listeners from one index to another in parallel. One alone is
// called in place, which is what the pool would do, at a price.
func (r *run) stage(ctx context.Context, from, to int) []error {
	if to-from > 1 {
		return r.bus.pool.Parallel(ctx, r.fns[from:to]...)
	}
	if ctx.Err() != nil {
		return []error{context.Cause(ctx)}
	}
	if err := r.alone(ctx, from); err != nil {
		return []error{err}
	}
	return oneDone
}

var oneDone = make([]error, 1)[:1:1] // read only

func (r *run) alone(ctx context.Context, i int) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &goroutine.PanicError{Value: fault, Stack: debug.Stack()}
		}
	}()
	return r.fns[i](ctx)
}

// step runs one listener as something or someone wants to know about it, on
// whatever goroutine the pool chose.
func (r *run) step(ctx context.Context, i int) error {
	rt := r.routes[i]
	handle := rt.handle
	if r.delivery {
		handle = rt.deliver
	}
	if r.timed {
		took, began := &r.took[i], time.Now()
		defer func() { took.Store(int64(time.Since(began))) }()
	}
	if r.spans || r.label != "" {
		return r.bus.tel.observed(ctx, r, rt, handle)
	}
	return handle(ctx, &r.event)
}

func (r *run) outcome(e *Any) Outcome {
	return Outcome{EventID: e.ID, Event: e.Name, Results: r.results()}
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
		if r.timed {
			took = time.Duration(r.took[i].Load())
		}
		results[i] = newResult(rt.name, r.errs[i], took)
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

func isSkip(err error) bool {
	_, skip := errors.AsType[*skipError](err)
	return skip
}

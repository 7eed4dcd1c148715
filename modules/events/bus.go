package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// Bus routes events to listeners and runs them in parallel on the pool. All
// methods are safe for concurrent use, by listeners too: a listener may
// dispatch, since the pool joins by helping and cannot deadlock on itself.
//
// A bus is also the [Publisher] for this process.
type Bus struct {
	cfg    Config
	pool   *goroutine.Pool
	log    *zap.Logger
	routes []*route
	router *router
	runs   sync.Pool // of *run
	async  flights
}

// NewBus compiles the listeners into a bus that works at once. Its error joins
// every fault found: listeners that are nil, without name or handler, that
// share a name, patterns that are malformed, topics with two payload types,
// config fields out of range.
func NewBus(cfg Config, pool *goroutine.Pool, listeners []Listener, opts ...Option) (*Bus, error) {
	cfg = cfg.withDefaults()
	options := newBusOptions(opts)
	routes, err := newRoutes(listeners, options.middleware)
	err = errors.Join(cfg.validate(), err)
	if pool == nil {
		err = errors.Join(err, errors.New("pool is nil"))
	}
	if err != nil {
		return nil, fmt.Errorf("making the event bus: %w", err)
	}
	b := &Bus{cfg: cfg, pool: pool, log: options.log, routes: routes, router: newRouter(routes)}
	if options.relay != nil {
		options.relay.fallBackTo(b)
	}
	return b, nil
}

// Listeners returns the listeners, by order and then name.
func (b *Bus) Listeners() []Listener {
	all := make([]Listener, len(b.routes))
	for i, rt := range b.routes {
		all[i] = rt.listener
	}
	return all
}

// Listens says whether any listener wants events of that name.
func (b *Bus) Listens(name string) bool {
	routes, _ := b.router.match(name)
	return len(routes) > 0
}

// Dispatch runs the event's listeners and waits for them. The error joins one
// *ListenerError per listener that failed. An event without listeners is no
// error in-process: nothing is lost that anybody wanted.
func (b *Bus) Dispatch(ctx context.Context, e Any) error {
	routes, known := b.router.match(e.Name)
	if !known {
		if err := CheckName(e.Name); err != nil {
			return Permanent(err)
		}
	}
	if len(routes) == 0 {
		b.unheard(e)
		return nil
	}
	r := b.newRun(e, routes)
	if r.stages(ctx) {
		b.logSkipped(r)
		r.release()
		return nil
	}
	return b.outcome(r).Err()
}

// Publish dispatches the events one after the other, so that their order holds,
// and joins the errors.
func (b *Bus) Publish(ctx context.Context, events ...Any) error {
	if len(events) == 1 {
		return b.Dispatch(ctx, events[0])
	}
	var errs []error
	for _, e := range events {
		errs = append(errs, b.Dispatch(ctx, e))
	}
	return errors.Join(errs...)
}

// Deliver runs the listeners of an event that a transport received, waits for
// them, and says what became of each. It logs nothing but skips: the outcome is
// the caller's to act on and to report.
func (b *Bus) Deliver(ctx context.Context, e Any) Outcome {
	o := Outcome{EventID: e.ID, Event: e.Name}
	routes, known := b.router.match(e.Name)
	if !known {
		if err := CheckName(e.Name); err != nil {
			o.refused = Permanent(err)
			return o
		}
	}
	if len(routes) == 0 {
		o.NoListener = true
		return o
	}
	r := b.newRun(e, routes)
	finished := r.stages(ctx)
	o = b.outcome(r)
	if finished {
		b.logSkipped(r)
		r.release()
	}
	return o
}

func (b *Bus) outcome(r *run) Outcome {
	return Outcome{EventID: r.event.ID, Event: r.event.Name, Results: r.results()}
}

func (b *Bus) unheard(e Any) {
	if entry := b.log.Check(zap.DebugLevel, "event has no listener"); entry != nil {
		entry.Write(zap.String("event", clip(e.Name)), zap.String("event_id", clip(e.ID)))
	}
}

// logSkipped reports the skips of a run, which no caller gets to see.
func (b *Bus) logSkipped(r *run) {
	for i := range r.steps {
		if s := &r.steps[i]; s.err != nil {
			b.log.Info("listener skipped the event", zap.String("listener", s.route.name),
				zap.String("event", clip(r.event.Name)), zap.String("event_id", clip(r.event.ID)), zap.Error(s.err))
		}
	}
}

// names lists the listeners for the log.
func (b *Bus) names() []string {
	names := make([]string, len(b.routes))
	for i, rt := range b.routes {
		names[i] = rt.name + " on " + rt.pattern
	}
	slices.Sort(names)
	return names
}

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
	tel    *telemetry
	routes []*route
	router *router
	ledger Ledger // nil if off
	store  Store
	record *recorder
	topics []TopicInfo
	runs   sync.Pool // of *run
	async  flights
}

// NewBus compiles the listeners into a bus that works at once. Its error joins
// every fault found: listeners that are nil, without name or handler, that
// share a name, patterns that are malformed, topics with two payload types,
// options and config fields out of range.
func NewBus(cfg Config, pool *goroutine.Pool, listeners []Listener, opts ...Option) (*Bus, error) {
	cfg = cfg.withDefaults()
	o := newBusOptions(cfg, opts)
	routes, routeErr := newRoutes(listeners, o.middleware, o.ledger)
	record, recordErr := newRecorder(cfg.Record, o.store)
	tel, telErr := newTelemetry(cfg, o)
	var poolErr error
	if pool == nil {
		poolErr = errors.New("pool is nil")
	}
	if err := errors.Join(cfg.validate(), poolErr, routeErr, recordErr, checkTopics(routes, o.topics), telErr); err != nil {
		return nil, fmt.Errorf("making the event bus: %w", err)
	}
	b := &Bus{
		cfg: cfg, pool: pool, log: o.log, tel: tel, routes: routes, router: newRouter(routes),
		ledger: o.ledger, store: o.store, record: record, topics: o.topics,
	}
	if o.relay != nil {
		o.relay.fallBackTo(b)
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
	return len(b.router.match(name).routes) > 0
}

// Store returns the store that events are recorded in.
func (b *Bus) Store() Store { return b.store }

// Dispatch runs the event's listeners and waits for them. The error joins one
// *ListenerError per listener that failed. An event without listeners is no
// error in-process: nothing is lost that anybody wanted.
func (b *Bus) Dispatch(ctx context.Context, e Any) error {
	to, err := b.accept(ctx, &e)
	switch {
	case err != nil:
		return err
	case len(to.routes) == 0:
		b.unheard(ctx, &e)
		return nil
	}
	var finished bool
	r := b.newRun(to)
	if b.tel.idle(ctx) {
		if r.set == nil || !r.set(e) {
			r.load(&e)
		} else if to.mixed {
			r.event.Any = e
		}
		finished = r.stages(ctx)
	} else {
		r.load(&e)
		ctx, watch := b.tel.dispatch(ctx, r, to.known)
		finished = r.stages(ctx)
		watch.end(ctx)
	}
	if !finished {
		return r.outcome(&e).Err()
	}
	if r.skipped {
		r.logSkips(&e)
	}
	r.release()
	return nil
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

// accept finds the routes of an event, and records it if it is to be.
func (b *Bus) accept(ctx context.Context, e *Any) (match, error) {
	to := b.router.match(e.Name)
	if !to.known {
		if err := CheckName(e.Name); err != nil {
			return to, Permanent(err)
		}
	}
	if b.record != nil {
		return to, b.record.append(ctx, e)
	}
	return to, nil
}

func (b *Bus) unheard(ctx context.Context, e *Any) {
	b.tel.unheard(ctx)
	if entry := b.log.Check(zap.DebugLevel, "event has no listener"); entry != nil {
		entry.Write(zap.String("event", clip(e.Name)), zap.String("event_id", clip(e.ID)))
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

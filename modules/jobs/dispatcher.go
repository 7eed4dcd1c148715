package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// Dispatcher runs jobs: here and now with Run, soon in this process with DispatchAsync, on the queue with
// Dispatch. Its methods may be called concurrently, by handlers too.
type Dispatcher struct {
	cfg       Config
	pool      *goroutine.Pool
	publisher events.Publisher
	log       *zap.Logger
	tel       *telemetry
	locks     Locks
	failed    FailedStore
	batches   BatchStore
	local     *local

	bus       atomic.Pointer[events.Bus]
	mu        sync.Mutex
	handlers  map[string]*definition // by event
	listening bool
}

// NewDispatcher returns a dispatcher that puts jobs on the queue through publisher. Give its Listeners to
// the bus, and Bind it to that bus:
//
//	d, err := jobs.NewDispatcher(jobs.Config{}, pool, publisher)
//	listeners, err := d.Listeners(NewSendWelcome(mailer))
//	bus, err := events.NewBus(events.Config{}, pool, listeners)
//	d.Bind(bus)
//
// The error names what is wrong with the config.
func NewDispatcher(cfg Config, pool *goroutine.Pool, publisher events.Publisher, opts ...DispatcherOption) (*Dispatcher, error) {
	cfg = cfg.withDefaults()
	o := newDispatcherOptions(opts)
	errs := []error{cfg.validate()}
	if pool == nil {
		errs = append(errs, errors.New("pool is nil"))
	}
	if publisher == nil {
		errs = append(errs, errors.New("publisher is nil"))
	}
	tel, err := newTelemetry(o.meters)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("making the job dispatcher: %w", err)
	}
	d := &Dispatcher{
		cfg: cfg, pool: pool, publisher: publisher, log: o.log, tel: tel,
		locks: o.locks, failed: o.failed, batches: o.batches, handlers: map[string]*definition{},
	}
	d.local = newLocal(d)
	return d, nil
}

// Listeners makes the bus's listeners of the handlers, once. The error joins every fault: handlers that are
// empty or of a faulty job, jobs with two handlers, jobs of Config.Require with none.
//
// One more listener refuses job events that nothing here handles, whatever wildcards select them, so that
// they stay in the queue: see events.ErrNoListener.
func (d *Dispatcher) Listeners(handlers ...Handler) ([]events.Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listening {
		return nil, errors.New("jobs: the dispatcher has made its listeners already")
	}
	d.listening = true
	var errs []error
	listeners := []events.Listener{events.With(unknown{}, events.Fallback())}
	for i, h := range handlers {
		switch {
		case h.def == nil:
			errs = append(errs, fmt.Errorf("jobs: handler %d of %d is empty: its constructor returned nothing", i+1, len(handlers)))
		case h.def.err != nil:
			errs = append(errs, h.def.err)
		case h.listener == nil:
			errs = append(errs, fmt.Errorf("jobs: job %q: its handler is nil", h.def.name))
		case d.handlers[h.def.event] != nil:
			errs = append(errs, fmt.Errorf("jobs: job %q has two handlers: a job has one; use events for several listeners", h.def.name))
		default:
			d.handlers[h.def.event] = h.def
			listeners = append(listeners, h.listener(d))
		}
	}
	for _, name := range d.cfg.Require {
		if d.handlers[eventPrefix+name] == nil {
			errs = append(errs, fmt.Errorf("jobs: job %q of Config.Require has no handler: provide one with jobs.AsHandler", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return listeners, nil
}

// Bind tells the dispatcher the bus that has its listeners. Jobs run in this process need it.
func (d *Dispatcher) Bind(bus *events.Bus) { d.bus.Store(bus) }

// unknown refuses jobs that this process has no handler for.
type unknown struct{}

func (unknown) Name() string    { return "jobs.unknown" }
func (unknown) Pattern() string { return eventPrefix + "*" }
func (unknown) Handle(_ context.Context, e events.Any) error {
	return fmt.Errorf("job event %q has no handler in this process: %w", e.Name, events.ErrNoListener)
}

// definition returns what is known of a job that is handled here, or nil.
func (d *Dispatcher) definition(event string) *definition {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handlers[event]
}

// ready returns the bus if a job can run in this process.
func (d *Dispatcher) ready(event string) (*events.Bus, error) {
	bus := d.bus.Load()
	switch {
	case d.definition(event) == nil:
		return nil, fmt.Errorf("%w for job %q in this process", ErrNoHandler, jobOf(event))
	case bus == nil:
		return nil, ErrUnbound
	}
	return bus, nil
}

// inProcess says that the publisher is the bus of this process: there is no queue but ours.
func (d *Dispatcher) inProcess() bool {
	p := d.publisher
	if relay, ok := p.(*events.Relay); ok {
		p = relay.Target()
	}
	_, bus := p.(*events.Bus)
	return bus
}

// Start announces the dispatcher in the log. It works without.
func (d *Dispatcher) Start(context.Context) error {
	d.mu.Lock()
	names := make([]string, 0, len(d.handlers))
	for _, def := range d.handlers {
		names = append(names, def.name)
	}
	d.mu.Unlock()
	slices.Sort(names)
	to := "the queue"
	if d.inProcess() {
		to = "this process, which forgets jobs when it ends"
	}
	d.log.Info("job dispatcher started", zap.Inline(d.cfg), zap.Strings("handlers", names), zap.String("dispatches_to", to))
	return nil
}

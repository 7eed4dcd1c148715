package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	o := newDispatcherOptions(cfg, opts)
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

// inProcess says that the publisher is the bus of this process: there is no queue but ours.
func (d *Dispatcher) inProcess() bool {
	p := d.publisher
	if relay, ok := p.(*events.Relay); ok {
		p = relay.Target()
	}
	_, bus := p.(*events.Bus)
	return bus
}

// Run runs a task here and now, a chain step by step, and returns the first error. It is one attempt:
// nothing is retried, recorded as failed, or kept from running by a lock. A task with a Delay or Queue of
// its own is an error; defaults of that kind do not apply.
func (d *Dispatcher) Run(ctx context.Context, t Task) error {
	if err := t.check(false); err != nil {
		return err
	}
	steps := t.steps()
	for i, step := range steps {
		if err := d.runStep(ctx, step); err != nil {
			if len(steps) > 1 {
				return fmt.Errorf("jobs: step %d of %d of a chain: %w", i+1, len(steps), err)
			}
			return err
		}
	}
	return nil
}

func (d *Dispatcher) runStep(ctx context.Context, t Task) error {
	if own := t.own(); own.delay > 0 || own.Queue != "" {
		return fmt.Errorf("jobs: job %q: Run takes neither Delay nor Queue: use Dispatch", t.def.name)
	}
	bus, err := d.ready(t.def.event)
	if err != nil {
		return err
	}
	e, env, err := wrap(t, time.Now())
	if err != nil {
		return err
	}
	if e, err = seal(e, &env); err != nil {
		return err
	}
	return bus.Dispatch(context.WithValue(ctx, originKey{}, &origin{id: e.ID, place: fromCall}), e)
}

// ready returns the bus if a job can run in this process.
func (d *Dispatcher) ready(event string) (*events.Bus, error) {
	bus := d.bus.Load()
	switch {
	case d.definition(event) == nil:
		return nil, fmt.Errorf("%w for job %q in this process", ErrNoHandler, event[len(eventPrefix):])
	case bus == nil:
		return nil, ErrUnbound
	}
	return bus, nil
}

// Dispatch puts tasks on the queue: the app's [events.Publisher] takes them. nil means what it means there:
// SQS has stored them, or the outbox will publish them if the caller's transaction commits; or, for a unique
// task, that an equal one is queued. After an error some of them may be queued all the same. Without any
// task it does nothing.
//
// If the publisher is the bus of this process, there is no queue but this process's: Dispatch is then
// DispatchAsync without the future. What waits or runs is lost when the process ends.
func (d *Dispatcher) Dispatch(ctx context.Context, tasks ...Task) error {
	for i := range tasks {
		if err := tasks[i].check(false); err != nil {
			return err
		}
	}
	if d.inProcess() {
		var errs []error
		for _, t := range tasks {
			_, err := d.accept(ctx, t)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return d.send(ctx, tasks)
}

// send publishes tasks, those that get their locks. If publishing fails, the locks are given back: a job
// queued twice is better than one that everybody takes for queued.
func (d *Dispatcher) send(ctx context.Context, tasks []Task) (err error) {
	now := time.Now()
	all := make([]events.Any, 0, len(tasks))
	locked := map[string]string{} // key by owner
	defer func() {
		if err != nil {
			for owner, key := range locked {
				d.unlock(ctx, key, owner)
			}
		}
	}()
	for _, t := range tasks {
		e, env, err := wrap(t, now)
		if err != nil {
			return err
		}
		switch mine, err := d.lock(ctx, t, env.Unique); {
		case err != nil:
			return err
		case !mine:
			continue
		case env.Unique != "":
			locked[t.id] = env.Unique
		}
		if e, err = address(e, &env, now); err != nil {
			return err
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil
	}
	if err := d.publish(ctx, all...); err != nil {
		return err
	}
	for i := range all {
		d.tel.dispatched(ctx, all[i].Name, toQueue)
	}
	return nil
}

// publish hands events of jobs to the publisher. Whatever the caller is an attempt of, they are new.
func (d *Dispatcher) publish(ctx context.Context, all ...events.Any) error {
	if events.Attempt(ctx) != 0 {
		ctx = events.WithAttempt(ctx, 0)
	}
	if err := d.publisher.Publish(ctx, all...); err != nil {
		return fmt.Errorf("jobs: queueing %s: %w", describe(all), err)
	}
	return nil
}

// publishOne publishes a job whose name came from a message, or from a store.
func (d *Dispatcher) publishOne(ctx context.Context, e events.Any) error {
	if err := d.publish(ctx, e); err != nil {
		return err
	}
	d.tel.dispatched(ctx, d.label(e.Name), toQueue)
	return nil
}

// label keeps metrics from growing with what people send.
func (d *Dispatcher) label(event string) string {
	if d.definition(event) == nil {
		return otherEvent
	}
	return event
}

func describe(all []events.Any) string {
	if len(all) == 1 {
		return fmt.Sprintf("job %q", all[0].Name[len(eventPrefix):])
	}
	return fmt.Sprintf("%d jobs", len(all))
}

// DispatchAsync runs a task on this process's pool, with its retries, delay and all, and returns at once, or
// when the pool has room. The future resolves when the job is done, a chain with its last job, or with its
// error when it has failed for good. The work keeps ctx's values but not its cancellation; Stop waits for
// it. What waits or runs is lost when the process ends. A task with a Queue of its own is an error.
//
// A unique task that is queued already resolves its future with nil at once.
func (d *Dispatcher) DispatchAsync(ctx context.Context, t Task) *goroutine.Future[struct{}] {
	err := t.check(false)
	if err == nil && t.own().Queue != "" {
		err = fmt.Errorf("jobs: job %q: DispatchAsync takes no Queue: use Dispatch", t.def.name)
	}
	if err == nil {
		var future *goroutine.Future[struct{}]
		if future, err = d.accept(ctx, t); err == nil {
			return future
		}
	}
	future, resolve := goroutine.NewFuture[struct{}](d.pool)
	resolve(struct{}{}, err)
	return future
}

// accept takes a task into the queue of this process.
func (d *Dispatcher) accept(ctx context.Context, t Task) (*goroutine.Future[struct{}], error) {
	for _, step := range t.steps() {
		if _, err := d.ready(step.def.event); err != nil {
			return nil, err
		}
	}
	e, env, err := wrap(t, time.Now())
	if err != nil {
		return nil, err
	}
	mine, err := d.lock(ctx, t, env.Unique)
	if err != nil {
		return nil, err
	}
	if !mine {
		future, resolve := goroutine.NewFuture[struct{}](d.pool)
		resolve(struct{}{}, nil)
		return future, nil
	}
	future, err := d.local.add(ctx, e, env)
	if err != nil {
		d.unlock(ctx, env.Unique, e.ID)
	}
	return future, err
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

// Stop refuses new jobs of this process, drops those that wait for their time or another attempt, and waits
// for those that run, until ctx ends or ShutdownTimeout passes; then it cancels them. An *UnfinishedError
// names what was dropped or cancelled: nothing of it is kept. Jobs on a queue stay there. Run and Dispatch
// on a queue go on working. Stop without Start, and a second Stop, do no harm.
func (d *Dispatcher) Stop(ctx context.Context) error {
	if d.cfg.ShutdownTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.cfg.ShutdownTimeout)
		defer cancel()
	}
	err := d.local.stop(ctx)
	if err != nil {
		d.log.Error("job dispatcher stopped", zap.Error(err))
	}
	return err
}

package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

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
	p, err := wrap(t, time.Now())
	if err != nil {
		return err
	}
	e, err := p.seal()
	if err != nil {
		return err
	}
	return bus.Dispatch(context.WithValue(ctx, originKey{}, &origin{id: e.ID, place: fromCall}), e)
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
	now := time.Now()
	parcels := make([]parcel, 0, len(tasks))
	var err error
	for _, t := range tasks {
		var p parcel
		if p, err = wrap(t, now); err != nil {
			break
		}
		var mine bool
		if mine, err = d.lock(ctx, t, p.Unique); err != nil {
			break
		}
		if mine {
			parcels = append(parcels, p)
		}
	}
	if err == nil {
		err = d.put(ctx, parcels...)
	}
	if err != nil { // a job queued twice is better than one that everybody takes for queued
		for _, p := range parcels {
			d.unlock(ctx, p.Unique, p.event.ID)
		}
	}
	return err
}

// DispatchAsync runs a task on this process's pool, with its retries, delay and all, and returns at once, or
// when the pool has room. The future resolves when the job is done, a chain with its last job, or with its
// error when it has failed for good. The work keeps ctx's values but not its cancellation; Stop waits for
// it. What waits or runs is lost when the process ends. A task with a Queue of its own is an error.
//
// A unique task that is queued already resolves its future with nil at once.
func (d *Dispatcher) DispatchAsync(ctx context.Context, t Task) *goroutine.Future[struct{}] {
	future, err := d.async(ctx, t)
	if future == nil {
		var resolve func(struct{}, error)
		future, resolve = goroutine.NewFuture[struct{}](d.pool)
		resolve(struct{}{}, err)
	}
	return future
}

// async answers no future if there is nothing to wait for.
func (d *Dispatcher) async(ctx context.Context, t Task) (*goroutine.Future[struct{}], error) {
	if err := t.check(false); err != nil {
		return nil, err
	}
	if t.own().Queue != "" {
		return nil, fmt.Errorf("jobs: job %q: DispatchAsync takes no Queue: use Dispatch", t.def.name)
	}
	p, err := wrap(t, time.Now())
	if err != nil {
		return nil, err
	}
	if mine, err := d.lock(ctx, t, p.Unique); err != nil || !mine {
		return nil, err
	}
	future, err := d.local.add(ctx, p)
	if err != nil {
		d.unlock(ctx, p.Unique, t.id)
	}
	return future, err
}

// put queues jobs, wherever that is.
func (d *Dispatcher) put(ctx context.Context, parcels ...parcel) error {
	if len(parcels) == 0 {
		return nil
	}
	if d.inProcess() {
		errs := make([]error, len(parcels))
		for i, p := range parcels {
			_, errs[i] = d.local.add(ctx, p)
		}
		return errors.Join(errs...)
	}
	now := time.Now()
	all := make([]events.Any, len(parcels))
	for i, p := range parcels {
		var err error
		if all[i], err = p.address(now); err != nil {
			return err
		}
	}
	if err := d.publish(ctx, all...); err != nil {
		return err
	}
	for _, p := range parcels {
		d.tel.dispatched(ctx, d.label(p), toQueue)
	}
	return nil
}

// publish hands events of jobs to the publisher. Whatever the caller is an attempt of, they are new.
func (d *Dispatcher) publish(ctx context.Context, all ...events.Any) error {
	if events.Attempt(ctx) != 0 {
		ctx = events.WithAttempt(ctx, 0)
	}
	if err := d.publisher.Publish(ctx, all...); err != nil {
		what := fmt.Sprintf("%d jobs", len(all))
		if len(all) == 1 {
			what = fmt.Sprintf("job %q", jobOf(all[0].Name))
		}
		return fmt.Errorf("jobs: queueing %s: %w", what, err)
	}
	return nil
}

// label keeps metrics from growing with what people send: names that come from messages and stores count only
// if there is a handler.
func (d *Dispatcher) label(p parcel) string {
	if _, wire := p.event.Data.(*events.Payload); wire && d.definition(p.event.Name) == nil {
		return otherEvent
	}
	return p.event.Name
}

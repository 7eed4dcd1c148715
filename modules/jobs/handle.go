package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// Info tells a handler what it works on.
type Info struct {
	// ID is the job's, the same in all its attempts: the idempotency key for what it does elsewhere.
	ID string
	// Name is the job's name.
	Name string
	// Attempt counts from 1. On SQS it counts receives, those that started no handler included.
	Attempt int
	// MaxAttempts is when the job counts as failed, -1 if never.
	MaxAttempts int
	// Batch is the ID of its batch, or "".
	Batch string
}

// Current returns the job that ctx belongs to, or the zero Info outside of a handler.
func Current(ctx context.Context) Info {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		return a.info
	}
	return Info{}
}

// place is where a job came from.
type place int

const (
	fromQueue place = iota // a transport, or the bus by itself
	fromPool               // the queue of this process
	fromCall               // Run
)

// origin tells the handler of one event where that came from.
type origin struct {
	id    string
	place place
	run   *run // fromPool
}

// attempt is one try of a job.
type attempt struct {
	info    Info
	def     *definition
	event   events.Any
	env     envelope
	origin  origin
	counted bool // by the transport, which therefore has a queue
	last    bool // the queue delivers it no more
}

type (
	originKey  struct{}
	attemptKey struct{}
)

// begin reads the event of a job.
func (d *Dispatcher) begin(ctx context.Context, def *definition, e events.Any) (*attempt, error) {
	a := &attempt{def: def, event: e}
	var err error
	if a.env, err = open(&e); err != nil {
		return nil, err
	}
	// The origin of another event is that of whoever dispatched this one past us, straight to the bus.
	if o, ok := ctx.Value(originKey{}).(*origin); ok && o.id == e.ID {
		a.origin = *o
	}
	tries := 1
	switch {
	case a.origin.place == fromPool:
		tries = a.origin.run.attempt
	case a.origin.place == fromQueue && events.Attempt(ctx) > 0:
		deliveries, most := events.Attempt(ctx), events.OriginOf(ctx).MaxDeliveries
		a.counted, tries, a.last = true, a.env.Tries+deliveries, most > 0 && deliveries >= most
	}
	a.info = Info{ID: e.ID, Name: def.name, Attempt: tries, MaxAttempts: d.maxAttempts(def, &a.env), Batch: a.env.Batch}
	return a, nil
}

func (d *Dispatcher) maxAttempts(def *definition, env *envelope) int {
	return firstSet(env.MaxAttempts, def.defaults.MaxAttempts, d.cfg.MaxAttempts)
}

// limit is how many attempts the job has, 0 if nobody counts or it has no limit.
func (a *attempt) limit() int {
	if a.counted || a.origin.place == fromPool {
		return max(a.info.MaxAttempts, 0)
	}
	return 0
}

// spend tells the queue of this process whether the delivery is an attempt. Others count by themselves.
func (a *attempt) spend(attempt bool) {
	if a.origin.place == fromPool {
		a.origin.run.spent.Store(attempt)
	}
}

func firstSet[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}

// conduct stands between the bus and a job's handler, around its limits and the ledger: it decides whether to
// try, and what an error means. What it answers without calling next is not noted in the ledger.
func (d *Dispatcher) conduct(def *definition) events.Middleware {
	return func(_ events.Listener, next events.Handler) events.Handler {
		return func(ctx context.Context, e events.Any) error {
			a, err := d.begin(ctx, def, e)
			if err != nil {
				return err
			}
			ctx = context.WithValue(ctx, attemptKey{}, a)
			if a.origin.place == fromCall {
				return next(ctx, e)
			}
			if wait := time.Until(a.env.Due); wait > 0 {
				return d.postpone(ctx, a, wait, a.env.Tries, errNotDue)
			}
			if limit := a.limit(); limit > 0 && a.info.Attempt > limit {
				return d.fail(ctx, a, limit, fmt.Errorf("%w: this is delivery %d and %d may be tried; those before ended without an answer", ErrTooManyAttempts, a.info.Attempt, limit))
			}
			if called, err := d.calledOff(ctx, a); called || err != nil {
				return err
			}
			if a.env.UntilStart {
				d.unlock(ctx, a.env.Unique, a.info.ID)
			}
			a.spend(true)
			return d.judge(ctx, a, next(ctx, e))
		}
	}
}

// judge decides what becomes of a job after an attempt.
func (d *Dispatcher) judge(ctx context.Context, a *attempt, err error) error {
	after, asked := goroutine.AsRetryAfter(err)
	switch {
	case err == nil, events.IsSkip(err):
		return err
	case ctx.Err() != nil, errors.Is(err, events.ErrInProgress):
		return err // cut off, or another delivery is at it: whoever comes next sees
	case errors.Is(err, goroutine.ErrBreakerOpen):
		return d.postpone(ctx, a, max(after, time.Second), a.info.Attempt-1, err)
	case final(err):
		return d.fail(ctx, a, a.info.Attempt, err)
	case a.limit() > 0 && a.info.Attempt >= a.limit():
		return d.fail(ctx, a, a.info.Attempt, err)
	}
	again := err
	if b := firstSet(a.env.Backoff, a.def.defaults.Backoff); b != nil && !asked {
		after = b.after(a.info.Attempt)
		again = events.RetryAfter(err, after)
	}
	if a.last {
		return d.postpone(ctx, a, max(after, time.Second), a.info.Attempt, fmt.Errorf("%w: %w", errTakenAway, err))
	}
	return again
}

// final says that no attempt can mend the error.
func final(err error) bool {
	_, wrong := errors.AsType[*events.PayloadError](err)
	_, invalid := errors.AsType[*events.InvalidError](err)
	return wrong || invalid || goroutine.IsPermanent(err)
}

// postpone sees to it that the job comes back after a while, with that many attempts spent. A job from a
// queue is sent again before its message is acknowledged: a crash in between doubles it, and loses nothing.
// Where that is not possible the message itself comes back, and the queue counts that; if it would not come
// back, the job has failed.
func (d *Dispatcher) postpone(ctx context.Context, a *attempt, wait time.Duration, tries int, why error) error {
	d.tel.postponed(ctx, a.event.Name, why)
	a.spend(false)
	if a.counted && !d.inProcess() {
		now := time.Now()
		p := parcel{event: a.event, envelope: a.env}
		p.Tries, p.Due = tries, now.Add(wait).UTC()
		e, err := p.address(now)
		if err == nil {
			err = d.publish(ctx, e)
		}
		if err == nil {
			return events.Resent(fmt.Errorf("%w, until %s", why, p.Due.Format(time.RFC3339)))
		}
		why = fmt.Errorf("%w, and it cannot be sent again: %w", why, err)
	}
	if a.last {
		return d.fail(ctx, a, a.info.Attempt, why)
	}
	return events.RetryAfter(why, wait)
}

// perform runs the handler, inside the job's limits and the ledger. It hands on to what follows the job
// before the ledger notes it as finished: what has been noted does not run again, and could not.
func (d *Dispatcher) perform(ctx context.Context, handle func(context.Context) error) error {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return errors.New("jobs: middleware lost the context of the job")
	}
	done := d.limited(ctx, a, handle)
	if done != nil && !events.IsSkip(done) || a.origin.place == fromCall {
		return done
	}
	if err := d.handOn(ctx, a); err != nil {
		return fmt.Errorf("jobs: job %q is done but runs again, since what follows it cannot be queued: %w", a.info.Name, err)
	}
	d.unlock(ctx, a.env.Unique, a.info.ID)
	return done
}

// limited runs the handler within its Timeout.
func (d *Dispatcher) limited(ctx context.Context, a *attempt, handle func(context.Context) error) error {
	timeout := firstSet(a.env.Timeout, a.def.defaults.Timeout)
	if timeout <= 0 {
		return handle(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, events.ErrTimeout)
	defer cancel()
	err := handle(ctx)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), events.ErrTimeout) {
		return fmt.Errorf("%w: job %q took longer than %v: %w", events.ErrTimeout, a.info.Name, timeout, err)
	}
	return err
}

// handOn queues what follows a job that is done: the rest of its chain, or its batch's callbacks.
func (d *Dispatcher) handOn(ctx context.Context, a *attempt) error {
	if len(a.env.Chain) == 0 {
		return d.settleItem(ctx, a, itemDone)
	}
	if a.origin.place == fromPool {
		return nil // its run goes on
	}
	return d.follow(ctx, a, next(a.env.Chain, a.env.Batch, a.env.Item, time.Now()))
}

// follow queues a job on behalf of another, which came from a durable queue: so must this one go.
func (d *Dispatcher) follow(ctx context.Context, a *attempt, p parcel) error {
	if a.counted && d.inProcess() {
		return errNotDurable
	}
	return d.put(ctx, p)
}

// fail ends a job that has failed for good: it is recorded, its batch learns of it, its lock is released, and
// its message goes to the dead-letter queue. If that cannot be noted the message comes back.
func (d *Dispatcher) fail(ctx context.Context, a *attempt, attempts int, cause error) error {
	err := d.record(ctx, a, attempts, cause)
	if err == nil {
		err = d.settleItem(ctx, a, itemFailed)
	}
	if err != nil {
		// Without the causes themselves: one of them may be marked as permanent.
		return fmt.Errorf("jobs: job %q failed (%v), which cannot be noted: %v", a.info.Name, cause, err) //nolint:errorlint // see above
	}
	d.unlock(ctx, a.env.Unique, a.info.ID)
	d.tel.failed(ctx, a.event.Name)
	d.log.Warn("job failed", zap.String("job", a.info.Name), zap.String("id", a.info.ID), zap.Int("attempts", attempts), zap.Error(cause))
	return events.Permanent(fmt.Errorf("job %q failed after %d attempt(s): %w", a.info.Name, attempts, cause))
}

package events

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Timeout bounds each attempt of the listener: its context is cancelled after d
// with ErrTimeout as the cause. A listener that does not look at its context
// goes on; the bus waits for it, since what still runs is not done with.
func Timeout(d time.Duration) ListenerOption {
	return func(o *listenerOptions) { o.timeout = &d }
}

// Concurrency lets at most n events be in the listener at once, in this
// process. Others wait, each holding a worker, until ctx ends. A listener that
// dispatches an event to itself does not wait for itself.
func Concurrency(n int) ListenerOption {
	return func(o *listenerOptions) { o.concurrency = &n }
}

// limit puts one option around a handler.
type limit func(handler) handler

// newLimits returns a listener's limits, the outermost first. They hold the
// listener's state and may be put around several handlers.
func newLimits(name string, o listenerOptions) []limit {
	var limits []limit
	if o.concurrency != nil {
		limits = append(limits, newGate(*o.concurrency).limit)
	}
	if o.timeout != nil {
		limits = append(limits, timeLimit(name, *o.timeout))
	}
	return limits
}

func (o *listenerOptions) check() error {
	var errs []error
	if o.timeout != nil && *o.timeout <= 0 {
		errs = append(errs, fmt.Errorf("option Timeout is %v: it must be positive", *o.timeout))
	}
	if o.concurrency != nil && *o.concurrency <= 0 {
		errs = append(errs, fmt.Errorf("option Concurrency is %d: it must be positive", *o.concurrency))
	}
	return errors.Join(errs...)
}

func timeLimit(name string, d time.Duration) limit {
	return func(next handler) handler {
		return func(ctx context.Context, e *Any) error {
			ctx, cancel := context.WithTimeoutCause(ctx, d, ErrTimeout)
			defer cancel()
			err := next(ctx, e)
			if err != nil && errors.Is(context.Cause(ctx), ErrTimeout) && errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("%w: %q took longer than %v: %w", ErrTimeout, name, d, err)
			}
			return err
		}
	}
}

// gate admits a number of callers at once.
type gate struct{ slots chan struct{} }

func newGate(n int) *gate { return &gate{slots: make(chan struct{}, n)} }

// passes are the gates that a call chain is inside of.
type passes struct {
	gate  *gate
	outer *passes
}

type passesKey struct{}

func (g *gate) limit(next handler) handler {
	return func(ctx context.Context, e *Any) error {
		held, _ := ctx.Value(passesKey{}).(*passes)
		for p := held; p != nil; p = p.outer {
			if p.gate == g {
				return next(ctx, e)
			}
		}
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("waiting for a free slot: %w", context.Cause(ctx))
		}
		defer func() { <-g.slots }()
		return next(context.WithValue(ctx, passesKey{}, &passes{gate: g, outer: held}), e)
	}
}

// withoutPasses is for work that leaves the call chain.
func withoutPasses(ctx context.Context) context.Context {
	if ctx.Value(passesKey{}) == nil {
		return ctx
	}
	return context.WithValue(ctx, passesKey{}, (*passes)(nil))
}

package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxpond/fxpond/modules/goroutine"
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

// Retries tries the listener again, within the same delivery, when it fails. While
// it pauses it holds no worker. Skips, final errors, an open breaker and delays
// longer than the policy's MaxDelay end the tries; the transport takes over.
func Retries(policy goroutine.RetryPolicy) ListenerOption {
	return func(o *listenerOptions) { o.retry = &policy }
}

// Breaker refuses events for a while when the listener keeps failing: the
// message then comes back when the breaker lets a probe through. One breaker
// serves all events of the listener. By default skips and final errors are no
// failures, and the breaker is named after the listener.
func Breaker(cfg goroutine.BreakerConfig) ListenerOption {
	return func(o *listenerOptions) { o.breaker = &cfg }
}

// limit puts one option around a handler.
type limit func(handler) handler

// newLimits returns a listener's limits, the outermost first, or what is wrong
// with its options. Limits hold the listener's state and may be put around
// several handlers.
func newLimits(name string, o listenerOptions) ([]limit, error) {
	var (
		limits []limit
		errs   []error
	)
	if o.retry != nil {
		// The policy is checked by a try that succeeds.
		err := goroutine.Retry(context.Background(), *o.retry, func(context.Context) error { return nil })
		limits, errs = append(limits, retryLimit(*o.retry)), append(errs, err)
	}
	if o.breaker != nil {
		breaker, err := newBreaker(name, *o.breaker)
		limits, errs = append(limits, breakerLimit(breaker)), append(errs, err)
	}
	if o.concurrency != nil {
		if *o.concurrency <= 0 {
			errs = append(errs, fmt.Errorf("option Concurrency is %d: it must be positive", *o.concurrency))
		}
		limits = append(limits, newGate(max(*o.concurrency, 1)).limit)
	}
	if o.timeout != nil {
		if *o.timeout <= 0 {
			errs = append(errs, fmt.Errorf("option Timeout is %v: it must be positive", *o.timeout))
		}
		limits = append(limits, timeLimit(name, *o.timeout))
	}
	return limits, errors.Join(errs...)
}

func retryLimit(policy goroutine.RetryPolicy) limit {
	patience := policy.MaxDelay
	if patience == 0 {
		patience = max(defaultRetryPatience, policy.Delay)
	}
	return func(next handler) handler {
		return func(ctx context.Context, e *incoming) error {
			var settled error
			err := goroutine.Retry(ctx, policy, func(ctx context.Context) error {
				err := next(ctx, e)
				after, _ := goroutine.AsRetryAfter(err)
				if IsSkip(err) || after > patience || errors.Is(err, goroutine.ErrBreakerOpen) || errors.Is(err, ErrInProgress) {
					settled, err = err, nil
				}
				return err
			})
			if err == nil {
				return settled
			}
			return err
		}
	}
}

// defaultRetryPatience is goroutine.RetryPolicy's default of MaxDelay.
const defaultRetryPatience = 10 * time.Second

func newBreaker(name string, cfg goroutine.BreakerConfig) (*goroutine.Breaker, error) {
	if cfg.Name == "" {
		cfg.Name = name
	}
	if cfg.IsFailure == nil {
		cfg.IsFailure = func(err error) bool { return err != nil && !IsSkip(err) && !classify(err).Final() }
	}
	return goroutine.NewBreaker(cfg)
}

func breakerLimit(b *goroutine.Breaker) limit {
	return func(next handler) handler {
		return func(ctx context.Context, e *incoming) error {
			return b.Do(ctx, func(ctx context.Context) error { return next(ctx, e) })
		}
	}
}

func timeLimit(name string, d time.Duration) limit {
	return func(next handler) handler {
		return func(ctx context.Context, e *incoming) error {
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
	return func(ctx context.Context, e *incoming) error {
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

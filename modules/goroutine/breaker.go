package goroutine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ErrBreakerOpen is what a Breaker that refuses a call answers. AsRetryAfter tells when it will try again.
var ErrBreakerOpen = errors.New("goroutine: breaker is open")

// BreakerState is closed (calls pass), open (calls are refused) or half-open (probes pass).
type BreakerState string

// The states of a Breaker.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerOpen     BreakerState = "open"
	BreakerHalfOpen BreakerState = "half-open"
)

// Breaker stops calls to a dependency that keeps failing, and lets a probe through from time to time.
// Around gobreaker it adds what that lacks: a call that panics or ends with runtime.Goexit is a failure,
// and a probe that hangs is one after ProbeTimeout, so the breaker cannot stay half-open. Its methods
// may be called concurrently. It owns no goroutine and needs no Close.
type Breaker struct {
	cfg    BreakerConfig
	engine *gobreaker.TwoStepCircuitBreaker[struct{}]
	opened atomic.Int64 // unix nanoseconds
}

// NewBreaker returns a closed breaker. The error joins every bad value of cfg.
func NewBreaker(cfg BreakerConfig) (*Breaker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("checking breaker config: %w", err)
	}
	b := &Breaker{cfg: cfg}
	b.engine = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          cfg.Name,
		MaxRequests:   uint32(cfg.Probes),
		Interval:      cfg.Window,
		BucketPeriod:  max(cfg.Window/windowBuckets, 1),
		Timeout:       cfg.OpenFor,
		ReadyToTrip:   b.trips,
		IsSuccessful:  func(err error) bool { return !cfg.IsFailure(err) },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNeither) },
		OnStateChange: b.changed,
	})
	return b, nil
}

func (b *Breaker) trips(c gobreaker.Counts) bool {
	if b.cfg.Failures > 0 && int(c.ConsecutiveFailures) >= b.cfg.Failures {
		return true
	}
	judged := c.TotalSuccesses + c.TotalFailures
	return b.cfg.FailureRatio > 0 && int(judged) >= b.cfg.MinCalls &&
		float64(c.TotalFailures) >= b.cfg.FailureRatio*float64(judged)
}

func (b *Breaker) changed(name string, from, to gobreaker.State) {
	if to == gobreaker.StateOpen {
		b.opened.Store(time.Now().UnixNano())
	}
	if b.cfg.OnChange != nil {
		b.cfg.OnChange(name, stateOf(from), stateOf(to))
	}
}

// errNeither reports a call that says nothing about the dependency.
var errNeither = errors.New("neither success nor failure")

// Do calls fn unless the breaker refuses it, with an error that is ErrBreakerOpen and that AsRetryAfter
// understands. fn's panic and Goexit pass through, counted as failures.
func (b *Breaker) Do(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return errNilFunc
	}
	report, err := b.engine.Allow()
	if err != nil {
		return RetryAfter(fmt.Errorf("%w: %s", ErrBreakerOpen, b.cfg.Name), b.untilProbe())
	}
	if b.engine.State() == gobreaker.StateHalfOpen {
		// A second report of the same call would count twice: the first one wins.
		var once atomic.Bool
		inner := report
		report = func(err error) {
			if once.CompareAndSwap(false, true) {
				inner(err)
			}
		}
		defer time.AfterFunc(b.cfg.ProbeTimeout, func() { report(context.DeadlineExceeded) }).Stop()
	}
	returned := false
	defer func() {
		if !returned { // panic or Goexit
			report(ErrGoexit)
		}
	}()
	err = fn(ctx)
	returned = true
	if err != nil && ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		report(errNeither)
	} else {
		report(err)
	}
	return err
}

// State is the current state.
func (b *Breaker) State() BreakerState { return stateOf(b.engine.State()) }

func (b *Breaker) untilProbe() time.Duration {
	if b.State() != BreakerOpen {
		return b.cfg.ProbeTimeout // a probe is on its way
	}
	return time.Until(time.Unix(0, b.opened.Load()).Add(b.cfg.OpenFor))
}

func stateOf(s gobreaker.State) BreakerState {
	switch s {
	case gobreaker.StateOpen:
		return BreakerOpen
	case gobreaker.StateHalfOpen:
		return BreakerHalfOpen
	default:
		return BreakerClosed
	}
}

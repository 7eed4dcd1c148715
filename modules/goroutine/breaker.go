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

// BreakerConfig says when a Breaker opens and closes. The zero value is a good default.
type BreakerConfig struct {
	// Name goes into errors. Default "breaker".
	Name string

	// Failures in a row open the breaker. Default 5; -1 leaves it to FailureRatio.
	Failures int

	// FailureRatio of the calls in Window opens it too, once there have been MinCalls. Default 0, off.
	FailureRatio float64
	MinCalls     int           // default 20
	Window       time.Duration // default 10s, in ten buckets

	// OpenFor is how long it refuses all calls before it lets a probe through. Default 30s.
	OpenFor time.Duration

	// Probes is how many calls may try at once after that, and how many must succeed to close it.
	// Default 1.
	Probes int

	// ProbeTimeout is when a probe that has not returned counts as failed, so that one that hangs cannot
	// keep the breaker half-open. Default OpenFor.
	ProbeTimeout time.Duration

	// IsFailure says which errors count; others are successes. Default: all but nil. The caller's own
	// cancellation counts neither way, whatever IsFailure says.
	IsFailure func(error) bool

	// OnChange, if not nil, is called with each change of state. The breaker is locked meanwhile: be
	// quick and do not call it.
	OnChange func(name string, from, to BreakerState)
}

// BreakerState is closed (calls pass), open (calls are refused) or half-open (probes pass).
type BreakerState string

// The states of a Breaker.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerOpen     BreakerState = "open"
	BreakerHalfOpen BreakerState = "half-open"
)

const (
	defaultFailures = 5
	defaultMinCalls = 20
	defaultWindow   = 10 * time.Second
	defaultOpenFor  = 30 * time.Second
	windowBuckets   = 10
)

func (c BreakerConfig) withDefaults() BreakerConfig {
	if c.Name == "" {
		c.Name = "breaker"
	}
	if c.Failures == 0 {
		c.Failures = defaultFailures
	}
	if c.MinCalls == 0 {
		c.MinCalls = defaultMinCalls
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.OpenFor == 0 {
		c.OpenFor = defaultOpenFor
	}
	if c.Probes == 0 {
		c.Probes = 1
	}
	if c.ProbeTimeout == 0 {
		c.ProbeTimeout = c.OpenFor
	}
	if c.IsFailure == nil {
		c.IsFailure = func(err error) bool { return err != nil }
	}
	return c
}

func (c BreakerConfig) validate() error {
	var errs []error
	bad := func(field string, value any, reason string) {
		errs = append(errs, fmt.Errorf("goroutine.BreakerConfig.%s is %v: %s", field, value, reason))
	}
	if c.Failures < -1 {
		bad("Failures", c.Failures, "a count cannot be negative; use -1 to leave it to FailureRatio")
	}
	if c.FailureRatio < 0 || c.FailureRatio > 1 {
		bad("FailureRatio", c.FailureRatio, "a ratio lies between 0 and 1")
	}
	if c.Failures == -1 && c.FailureRatio == 0 {
		bad("Failures", c.Failures, "without FailureRatio the breaker would never open")
	}
	if c.MinCalls < 1 {
		bad("MinCalls", c.MinCalls, "it takes one call at least")
	}
	if c.Probes < 1 {
		bad("Probes", c.Probes, "it takes one probe at least")
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"Window", c.Window}, {"OpenFor", c.OpenFor}, {"ProbeTimeout", c.ProbeTimeout}} {
		if d.value < 0 {
			bad(d.field, d.value, "a duration cannot be negative")
		}
	}
	return errors.Join(errs...)
}

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

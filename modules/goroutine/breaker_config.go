package goroutine

import (
	"errors"
	"fmt"
	"time"
)

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

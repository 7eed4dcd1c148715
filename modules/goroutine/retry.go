package goroutine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// RetryPolicy says how often and how far apart Retry tries. The zero value is a good default.
type RetryPolicy struct {
	// MaxAttempts counts the first one too. Default 4; -1 for no cap.
	MaxAttempts int

	// Delay is the ceiling of the first pause; each later ceiling is twice the one before. Default 100ms.
	Delay time.Duration

	// MaxDelay caps the ceilings. A delay asked for by RetryAfter is not capped. Default 10s, or Delay if that is longer.
	MaxDelay time.Duration

	// MaxElapsed caps the time from the first attempt on: no pause begins that would end after it.
	// Default 0, no cap.
	MaxElapsed time.Duration

	// DisableJitter makes each pause last its ceiling. Otherwise it is drawn from 0 to the ceiling, so
	// that those who failed together do not come back together. Default false.
	DisableJitter bool

	// OnRetry, if not nil, is called before each pause with the number of the attempt that failed,
	// its error and the pause to come.
	OnRetry func(attempt int, err error, pause time.Duration)
}

const (
	defaultAttempts = 4
	defaultDelay    = 100 * time.Millisecond
	defaultMaxDelay = 10 * time.Second
)

func (r RetryPolicy) withDefaults() RetryPolicy {
	if r.MaxAttempts == 0 {
		r.MaxAttempts = defaultAttempts
	}
	if r.Delay == 0 {
		r.Delay = defaultDelay
	}
	if r.MaxDelay == 0 {
		r.MaxDelay = max(defaultMaxDelay, r.Delay)
	}
	return r
}

func (r RetryPolicy) validate() error {
	var errs []error
	bad := func(field string, value any, reason string) {
		errs = append(errs, fmt.Errorf("goroutine.RetryPolicy.%s is %v: %s", field, value, reason))
	}
	if r.MaxAttempts < -1 {
		bad("MaxAttempts", r.MaxAttempts, "a count cannot be negative; use -1 for no cap")
	}
	if r.Delay < 0 {
		bad("Delay", r.Delay, "a duration cannot be negative")
	}
	if r.MaxDelay < r.Delay {
		bad("MaxDelay", r.MaxDelay, fmt.Sprintf("it is shorter than Delay (%v)", r.Delay))
	}
	if r.MaxElapsed < 0 {
		bad("MaxElapsed", r.MaxElapsed, "a duration cannot be negative; use 0 for no cap")
	}
	return errors.Join(errs...)
}

// Retry calls fn until it returns nil and pauses in between: exponential back-off with full jitter.
// Inside a task of a pool the pause holds no worker: the task's slot is given to other work meanwhile.
//
// It gives up, returning fn's last error, after MaxAttempts, when the next pause would end after
// MaxElapsed or ctx's deadline, and at once on an error marked Permanent. If ctx ends it returns ctx's
// cause and fn's last error, joined. RetryAfter on an error sets the next pause. fn may be called on
// no other goroutine than Retry's.
func Retry(ctx context.Context, policy RetryPolicy, fn func(context.Context) error) error {
	r := policy.withDefaults()
	if err := r.validate(); err != nil {
		return Permanent(err)
	}
	if fn == nil {
		return errNilFunc
	}
	var start time.Time
	if r.MaxElapsed > 0 {
		start = time.Now()
	}
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := fn(ctx)
		if err == nil || IsPermanent(err) {
			return err
		}
		if ctx.Err() != nil {
			return joinCause(ctx, err)
		}
		if attempt == r.MaxAttempts {
			return fmt.Errorf("giving up after %d attempts: %w", attempt, err)
		}
		pause := r.pause(attempt, err)
		if r.MaxElapsed > 0 && time.Since(start)+pause > r.MaxElapsed {
			return fmt.Errorf("giving up after %d attempts in %s: %w", attempt, time.Since(start).Round(time.Millisecond), err)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return fmt.Errorf("giving up after %d attempts: the next would be %w: %w", attempt, context.DeadlineExceeded, err)
		}
		if r.OnRetry != nil {
			r.OnRetry(attempt, err, pause)
		}
		if !sleep(ctx, pause) {
			return joinCause(ctx, err)
		}
	}
}

func (r RetryPolicy) pause(attempt int, err error) time.Duration {
	if after, ok := AsRetryAfter(err); ok {
		return after
	}
	ceiling := r.Delay
	for range attempt - 1 {
		if ceiling >= r.MaxDelay/2 {
			ceiling = r.MaxDelay
			break
		}
		ceiling *= 2
	}
	if r.DisableJitter {
		return ceiling
	}
	return rand.N(ceiling + 1)
}

// joinCause keeps the cause from being told twice: functions tend to return it themselves.
func joinCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// sleep pauses without holding the slot of the task that runs with ctx. It answers false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	defer lend(ctx).reclaim()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

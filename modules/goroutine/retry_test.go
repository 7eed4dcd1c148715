package goroutine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var errFlaky = errors.New("flaky")

func TestRetryGivesUp(t *testing.T) {
	why := errors.New("why")
	for name, c := range map[string]struct {
		policy   RetryPolicy
		err      error
		timeout  time.Duration
		calls    int
		elapsed  time.Duration
		is       []error
		isNot    []error
		recovers int
	}{
		"after the attempts":      {policy: RetryPolicy{MaxAttempts: 3, Delay: time.Second, DisableJitter: true}, err: errFlaky, calls: 3, elapsed: 3 * time.Second, is: []error{errFlaky}},
		"never, if it succeeds":   {policy: RetryPolicy{MaxAttempts: -1, Delay: time.Second, MaxDelay: 2 * time.Second, DisableJitter: true}, err: errFlaky, recovers: 6, calls: 6, elapsed: 9 * time.Second},
		"at once if permanent":    {err: Permanent(errFlaky), calls: 1, is: []error{errFlaky}},
		"before MaxElapsed":       {policy: RetryPolicy{MaxAttempts: -1, Delay: time.Second, MaxDelay: time.Second, MaxElapsed: 3500 * time.Millisecond, DisableJitter: true}, err: errFlaky, calls: 4, elapsed: 3 * time.Second, is: []error{errFlaky}},
		"before the deadline":     {policy: RetryPolicy{MaxAttempts: -1, Delay: time.Second, MaxDelay: time.Second, DisableJitter: true}, err: errFlaky, timeout: 2500 * time.Millisecond, calls: 3, elapsed: 2 * time.Second, is: []error{errFlaky, context.DeadlineExceeded}},
		"as told by RetryAfter":   {policy: RetryPolicy{MaxAttempts: 2, Delay: time.Second, DisableJitter: true}, err: RetryAfter(errFlaky, time.Minute), calls: 2, elapsed: time.Minute, is: []error{errFlaky}},
		"when the policy is bad":  {policy: RetryPolicy{MaxAttempts: -2, Delay: -1}, err: errFlaky, calls: 0, isNot: []error{errFlaky}},
		"when cancelled mid-call": {policy: RetryPolicy{MaxAttempts: -1}, err: context.Canceled, timeout: -1, calls: 1, is: []error{why, context.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancelCause := context.WithCancelCause(t.Context())
				defer cancelCause(nil)
				if c.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.timeout)
					defer cancel()
				}
				calls, start := 0, time.Now()
				err := Retry(ctx, c.policy, func(context.Context) error {
					calls++
					if c.timeout < 0 {
						cancelCause(why)
					}
					if calls == c.recovers {
						return nil
					}
					return c.err
				})
				if calls != c.calls || time.Since(start) != c.elapsed {
					t.Errorf("%d calls in %v, want %d in %v", calls, time.Since(start), c.calls, c.elapsed)
				}
				for _, target := range c.is {
					if !errors.Is(err, target) {
						t.Errorf("%v is not %v", err, target)
					}
				}
				if c.is == nil && c.isNot == nil && err != nil {
					t.Errorf("got %v", err)
				}
				for _, target := range c.isNot {
					if err == nil || errors.Is(err, target) {
						t.Errorf("%v is %v", err, target)
					}
				}
			})
		})
	}
}

func TestRetryStopsPausingWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		time.AfterFunc(time.Minute, func() { cancel(why) })
		start := time.Now()
		err := Retry(ctx, RetryPolicy{Delay: time.Hour, DisableJitter: true}, func(context.Context) error { return errFlaky })
		if time.Since(start) != time.Minute || !errors.Is(err, why) || !errors.Is(err, errFlaky) {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestRetryPauses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := RetryPolicy{
			Delay:    time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "delay")),
			MaxDelay: time.Duration(rapid.Int64Range(int64(time.Hour), int64(100*time.Hour)).Draw(t, "max")),
		}
		attempt := rapid.IntRange(1, 1000).Draw(t, "attempt")
		if d := r.pause(attempt, errFlaky); d < 0 || d > r.MaxDelay || attempt == 1 && d > r.Delay {
			t.Fatalf("pause %v", d)
		}
		r.DisableJitter = true
		a, b := r.pause(attempt, errFlaky), r.pause(attempt+1, errFlaky)
		if a > b || a < r.Delay || b > r.MaxDelay || b < r.MaxDelay && b != 2*a {
			t.Fatalf("ceilings %v, %v", a, b)
		}
	})
}

func TestPausingRetryHoldsNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1})
		retry := func(ctx context.Context) error {
			return Retry(ctx, RetryPolicy{MaxAttempts: 2, Delay: time.Hour, DisableJitter: true}, func(context.Context) error { return errFlaky })
		}
		slow := make([]*Future[int], 3)
		for i := range slow {
			slow[i] = Async(t.Context(), p, func(ctx context.Context) (int, error) {
				if i == 2 { // not even when the pause is in a function that another task runs inline
					return 0, errors.Join(p.Parallel(ctx, retry)...)
				}
				return 0, retry(ctx)
			})
		}
		synctest.Wait()
		start := time.Now()
		if errs := p.Parallel(t.Context(), noop, noop); errors.Join(errs...) != nil {
			t.Error(errs)
		}
		if _, err := Async(t.Context(), p, func(context.Context) (int, error) { return 0, nil }).Await(t.Context()); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); time.Since(start) != 0 || s.Lent != 3 || s.ActiveWorkers != 0 {
			t.Errorf("after %v: %+v", time.Since(start), s)
		}
		if _, err := All(t.Context(), slow...); !errors.Is(err, errFlaky) {
			t.Error(err)
		}
		if s := p.Stats(); time.Since(start) != time.Hour || s.Lent != 0 {
			t.Errorf("after %v: %+v", time.Since(start), s)
		}
	})
}

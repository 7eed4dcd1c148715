package goroutine

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func failing(context.Context) error { return errFlaky }

func panicking(context.Context) error { panic("boom") }

func exiting(context.Context) error { runtime.Goexit(); return nil }

// do calls b.Do on a goroutine of its own and returns its error, or what ended the goroutine.
func do(ctx context.Context, b *Breaker, fn func(context.Context) error) error {
	err := ErrGoexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Value: v}
			}
		}()
		err = b.Do(ctx, fn)
	}()
	<-done
	return err
}

func newBreaker(t *testing.T, cfg BreakerConfig) *Breaker {
	t.Helper()
	b, err := NewBreaker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBreakerOpensAndRecovers(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{"error": failing, "panic": panicking, "goexit": exiting} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes []BreakerState
				b := newBreaker(t, BreakerConfig{Failures: 3, OpenFor: time.Minute, OnChange: func(_ string, _, to BreakerState) { changes = append(changes, to) }})
				for range 3 {
					if err := do(t.Context(), b, fail); err == nil || errors.Is(err, ErrBreakerOpen) {
						t.Fatal(err)
					}
				}
				<-time.After(20 * time.Second)
				err := do(t.Context(), b, noop)
				if after, ok := AsRetryAfter(err); !errors.Is(err, ErrBreakerOpen) || !ok || after != 40*time.Second {
					t.Fatalf("%v, try again after %v", err, after)
				}
				<-time.After(41 * time.Second)
				if err := do(t.Context(), b, fail); err == nil || errors.Is(err, ErrBreakerOpen) {
					t.Fatalf("the probe was refused: %v", err)
				}
				if err := do(t.Context(), b, noop); !errors.Is(err, ErrBreakerOpen) {
					t.Fatalf("a failed probe must open the breaker again: %v", err)
				}
				<-time.After(61 * time.Second)
				for range 2 {
					if err := do(t.Context(), b, noop); err != nil {
						t.Fatal(err)
					}
				}
				want := []BreakerState{BreakerOpen, BreakerHalfOpen, BreakerOpen, BreakerHalfOpen, BreakerClosed}
				if len(changes) != len(want) {
					t.Fatalf("went through %v", changes)
				}
				for i := range want {
					if changes[i] != want[i] {
						t.Fatalf("went through %v", changes)
					}
				}
			})
		})
	}
}

func TestHangingProbeCannotKeepTheBreakerHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, BreakerConfig{Failures: 1, OpenFor: time.Minute, ProbeTimeout: time.Second})
		_ = do(t.Context(), b, failing)
		<-time.After(61 * time.Second)
		leave := make(chan struct{})
		go func() { _ = b.Do(context.Background(), func(context.Context) error { <-leave; return nil }) }()
		synctest.Wait()
		if err := b.Do(t.Context(), noop); !errors.Is(err, ErrBreakerOpen) || b.State() != BreakerHalfOpen {
			t.Fatalf("%v in %s", err, b.State())
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if b.State() != BreakerOpen {
			t.Fatalf("%s after the probe's time-out", b.State())
		}
		<-time.After(61 * time.Second)
		if err := b.Do(t.Context(), noop); err != nil || b.State() != BreakerClosed {
			t.Fatalf("%v in %s", err, b.State())
		}
		close(leave)
	})
}

func TestCancelledCallsSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, BreakerConfig{Failures: 1, OpenFor: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = b.Do(ctx, func(ctx context.Context) error { return ctx.Err() })
		if b.State() != BreakerClosed {
			t.Fatal("opened by a caller's cancellation")
		}
		_ = b.Do(t.Context(), failing)
		<-time.After(61 * time.Second)
		_ = b.Do(ctx, func(ctx context.Context) error { return ctx.Err() })
		if err := b.Do(t.Context(), noop); err != nil || b.State() != BreakerClosed {
			t.Fatalf("a cancelled probe must make room for the next: %v in %s", err, b.State())
		}
	})
}

func TestBreakerOpensByRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, BreakerConfig{Failures: -1, FailureRatio: 0.5, MinCalls: 10, Window: 10 * time.Second})
		for i := range 9 {
			_ = b.Do(t.Context(), map[bool]func(context.Context) error{true: failing, false: noop}[i%2 == 0])
		}
		if b.State() != BreakerClosed {
			t.Fatal("opened before MinCalls")
		}
		<-time.After(time.Minute) // out of the window
		for i := range 10 {
			if b.State() != BreakerClosed {
				t.Fatalf("opened after %d calls", i)
			}
			_ = b.Do(t.Context(), map[bool]func(context.Context) error{true: failing, false: noop}[i%2 == 1])
		}
		if b.State() != BreakerOpen {
			t.Fatal("half of the calls failed")
		}
	})
}

func TestBadBreakerConfigNamesEveryField(t *testing.T) {
	_, err := NewBreaker(BreakerConfig{Failures: -1, MinCalls: -1, Probes: -1, Window: -1, OpenFor: -1, FailureRatio: 0})
	wantMentions(t, err, "Failures", "MinCalls", "Probes", "Window", "OpenFor")
}

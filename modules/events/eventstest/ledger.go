package eventstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

var errFailed = errors.New("the listener failed")

// Ledger tests that an implementation keeps what events.Ledger promises.
func Ledger(t *testing.T, open func(t *testing.T) events.Ledger) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, events.Ledger){
		"RemembersSuccessOnly":            ledgerRemembersSuccess,
		"KeepsListenersAndEventsApart":    ledgerKeepsApart,
		"RunsFnWithItsContext":            ledgerPassesContext,
		"RunsOnceAmongTwins":              ledgerRunsOnceAmongTwins,
		"ForgetsWhatPanicked":             ledgerSurvivesPanic,
		"RunsAgainAfterManyFailures":      ledgerRetries,
		"FinishedAnswersForManyListeners": ledgerFinishedMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func succeed(context.Context) error { return nil }
func fail(context.Context) error    { return errFailed }

func mustRun(t *testing.T, l events.Ledger, event, listener string, wantRan bool) {
	t.Helper()
	called := false
	ran, err := l.Run(t.Context(), event, listener, func(context.Context) error {
		called = true
		return nil
	})
	if err != nil || ran != wantRan || called != wantRan {
		t.Errorf("Run(%q, %q): ran %v, called %v, error %v; want ran %v", event, listener, ran, called, err, wantRan)
	}
}

func finished(t *testing.T, l events.Ledger, event string, listeners ...string) []string {
	t.Helper()
	got, err := l.Finished(t.Context(), event, listeners)
	if err != nil {
		t.Fatalf("Finished(%q): %v", event, err)
	}
	slices.Sort(got)
	return got
}

func ledgerRemembersSuccess(t *testing.T, l events.Ledger) {
	if got := finished(t, l, "e", "a"); len(got) != 0 {
		t.Errorf("an unknown event is finished by %q", got)
	}
	if _, err := l.Run(t.Context(), "e", "a", fail); !errors.Is(err, errFailed) {
		t.Errorf("the listener's error came back as %v", err)
	}
	if got := finished(t, l, "e", "a"); len(got) != 0 {
		t.Errorf("after a failure, finished by %q", got)
	}
	mustRun(t, l, "e", "a", true)
	if got := finished(t, l, "e", "a"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("after success, finished by %q", got)
	}
	mustRun(t, l, "e", "a", false)
}

func ledgerKeepsApart(t *testing.T, l events.Ledger) {
	mustRun(t, l, "source id-1", "a", true)
	mustRun(t, l, "source id-1", "b", true)
	mustRun(t, l, "source id-2", "a", true)
	if got := finished(t, l, "source id-2", "a", "b"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("finished by %q, want a alone", got)
	}
	if got := finished(t, l, "source id-1", "a", "b", "c"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("finished by %q, want a and b", got)
	}
}

type contextKey struct{}

func ledgerPassesContext(t *testing.T, l events.Ledger) {
	ctx := context.WithValue(t.Context(), contextKey{}, "value")
	_, err := l.Run(ctx, "e", "a", func(ctx context.Context) error {
		if ctx.Value(contextKey{}) != "value" {
			return errors.New("the context lost its values")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Twins are two deliveries of one event at the same time: no more than one may
// succeed, and those that do not run must not end in the dead-letter queue.
func ledgerRunsOnceAmongTwins(t *testing.T, l events.Ledger) {
	const twins = 8
	var successes atomic.Int32
	var all sync.WaitGroup
	start := make(chan struct{})
	for range twins {
		all.Go(func() {
			<-start
			ran, err := l.Run(t.Context(), "e", "a", func(context.Context) error {
				successes.Add(1)
				return nil
			})
			if err != nil && (ran || goroutine.IsPermanent(err)) {
				t.Errorf("a twin was answered ran %v, %v", ran, err)
			}
		})
	}
	close(start)
	all.Wait()
	if n := successes.Load(); n != 1 {
		t.Errorf("%d of %d twins succeeded", n, twins)
	}
	mustRun(t, l, "e", "a", false)
}

func ledgerSurvivesPanic(t *testing.T, l events.Ledger) {
	func() {
		defer func() { _ = recover() }() // whether it passes through is the ledger's choice
		_, _ = l.Run(t.Context(), "e", "a", func(context.Context) error {
			panic(errFailed) //nolint:forbidigo // a listener that panics is the test
		})
	}()
	mustRun(t, l, "e", "a", true)
}

func ledgerRetries(t *testing.T, l events.Ledger) {
	for range 10 {
		if ran, err := l.Run(t.Context(), "e", "a", fail); !ran || !errors.Is(err, errFailed) {
			t.Fatalf("ran %v, %v", ran, err)
		}
	}
	if ran, err := l.Run(t.Context(), "e", "a", succeed); !ran || err != nil {
		t.Errorf("ran %v, %v", ran, err)
	}
}

func ledgerFinishedMany(t *testing.T, l events.Ledger) {
	var names, odd []string
	for i := range 100 {
		name := fmt.Sprintf("listener-%03d", i)
		names = append(names, name)
		if i%2 == 1 {
			odd = append(odd, name)
			mustRun(t, l, "e", name, true)
		}
	}
	if got := finished(t, l, "e", names...); !slices.Equal(got, odd) {
		t.Errorf("finished by %d listeners, want %d", len(got), len(odd))
	}
	if got := finished(t, l, "e"); len(got) != 0 {
		t.Errorf("asked for none, got %q", got)
	}
}

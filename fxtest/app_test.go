package fxtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/fxtest"
	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

type order struct {
	ID    int    `json:"id"`
	Email string `json:"email"`
}

var orderPlaced = events.NewTopic[order]("order.placed")

// shop is the app under test, as it would stand in production.
func shop(handle func(context.Context, events.Event[order]) error) fx.Option {
	return fx.Options(
		goroutine.Module, events.Module, sqs.Module,
		fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: "orders", Retry: sqs.Backoff{Min: -1}}}}),
		fx.Provide(events.AsListener(func() events.Listener { return orderPlaced.Listener("ship", handle) })),
	)
}

func TestPublishedEventsReachListenersThroughSQS(t *testing.T) {
	t.Parallel()
	app := fxtest.New(t, shop(func(context.Context, events.Event[order]) error { return nil }))
	app.Publish(orderPlaced.New(order{ID: 1}), orderPlaced.New(order{ID: 2}))
	if got := app.Events.Wait("ship", 2); len(got) != 2 {
		t.Errorf("recorded %v", got)
	}
	app.WaitEmpty("orders")
	if got := app.DeadLetters("orders"); got != 0 {
		t.Errorf("%d dead letters", got)
	}
	if app.SQS.Calls("SendMessageBatch") == 0 {
		t.Error("the events did not travel through SQS")
	}
}

func TestFailuresAreRecordedAndEndInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	app := fxtest.New(t, shop(func(context.Context, events.Event[order]) error { return errors.New("no stock") }))
	app.Publish(orderPlaced.New(order{ID: 1}))
	failed := app.Events.WaitFailed("ship", fxtest.MaxReceives)
	if !strings.Contains(failed[0].Err.Error(), "no stock") {
		t.Errorf("recorded %v", failed[0].Err)
	}
	app.WaitEmpty("orders")
	if got := app.DeadLetters("orders"); got != 1 {
		t.Errorf("%d dead letters, want 1", got)
	}
}

func TestABudgetOfRequestsHoldsOrFailsTheTest(t *testing.T) {
	t.Parallel()
	inner := &tester{TB: t}
	app := fxtest.New(inner, shop(func(context.Context, events.Event[order]) error { return nil }))
	for range 20 {
		app.Publish(orderPlaced.New(order{}), orderPlaced.New(order{}), orderPlaced.New(order{}), orderPlaced.New(order{}), orderPlaced.New(order{}))
	}
	app.WaitEmpty("orders")
	app.RequireRequestsPerMessage("orders", 3)
	app.RequireRequestsPerMessage("orders", 0.1) // less than SQS allows
	if failure := inner.end(); strings.Count(failure, "the budget is") != 1 || !strings.Contains(failure, "the budget is 0.10") {
		t.Errorf("failure is %q", failure)
	}
}

// Days pass in milliseconds inside a bubble.
func TestAppsRunOnVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := time.Now()
		var second time.Time
		runs := 0
		app := fxtest.New(t, shop(func(context.Context, events.Event[order]) error {
			if runs++; runs == 1 {
				return events.RetryAfter(errors.New("bank holiday"), 5*time.Hour)
			}
			second = time.Now()
			return nil
		}))
		app.Publish(orderPlaced.New(order{ID: 1}))
		timer := time.NewTimer(6 * time.Hour)
		<-timer.C
		if gap := second.Sub(first); gap < 5*time.Hour || gap > 5*time.Hour+time.Minute {
			t.Errorf("came back after %v, want 5h", gap)
		}
	})
}

// tester stands for a test that is expected to fail.
type tester struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (t *tester) Helper()          {}
func (t *tester) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }
func (t *tester) Name() string     { return "inner " + t.TB.Name() }

func (t *tester) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *tester) end() string {
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
	return strings.Join(t.failures, "\n")
}

func TestALeakedGoroutineFailsTheTest(t *testing.T) {
	t.Parallel()
	inner := &tester{TB: t}
	hold := make(chan struct{})
	defer close(hold)
	app := fxtest.New(inner, shop(func(context.Context, events.Event[order]) error {
		go func() { <-hold }()
		return nil
	}))
	app.Publish(orderPlaced.New(order{ID: 1}))
	app.Events.Wait("ship", 1)
	if failure := inner.end(); !strings.Contains(failure, "goroutines behind") || !strings.Contains(failure, "app_test.go") {
		t.Errorf("failure does not show the leak: %q", failure)
	}
}

func TestAbandonedWorkFailsTheTest(t *testing.T) {
	t.Parallel()
	inner := &tester{TB: t}
	hold := make(chan struct{})
	var once sync.Once
	started := make(chan struct{})
	app := fxtest.New(inner,
		goroutine.Module, events.Module, sqs.Module,
		fx.Supply(
			goroutine.Config{ShutdownTimeout: 100 * time.Millisecond},
			sqs.Config{ShutdownTimeout: 2 * time.Second, Queues: []sqs.Queue{{Name: "orders"}}},
		),
		fx.Provide(events.AsListener(func() events.Listener {
			return orderPlaced.Listener("ship", func(context.Context, events.Event[order]) error {
				once.Do(func() { close(started) })
				<-hold
				return nil
			})
		})),
	)
	app.Publish(orderPlaced.New(order{ID: 1}))
	<-started
	stopped := make(chan string, 1)
	go func() { stopped <- inner.end() }()
	failure := <-stopped
	close(hold)
	if !strings.Contains(failure, "1 messages whose listeners still ran") {
		t.Errorf("failure does not tell what was abandoned: %q", failure)
	}
}

package sqs_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

func TestStopInMidLoadStrandsNothingAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{
			pool: goroutine.Config{MaxWorkers: 16},
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				wait(200 * time.Millisecond)
				seen.add(n)
				return nil
			})},
		})
		r.sendEvents(1000)
		r.start()
		wait(2 * time.Second)
		began := time.Now()
		must(t, r.stop())
		if took := time.Since(began); took > 1200*time.Millisecond {
			t.Errorf("the stop took %v, want at most the slowest listener and a second", took)
		}
		state := r.state(r.queue)
		if state.InFlight != 0 {
			t.Errorf("%d messages are left invisible", state.InFlight)
		}
		if done := len(seen.order()); done == 0 || done+state.Visible != 1000 {
			t.Errorf("%d handled and %d visible, want 1000 in all", done, state.Visible)
		}

		must(t, r.consumer.Start(t.Context()))
		r.empty()
		seen.onceEach(t, 1000)
	})
}

func TestStopGivesBackWhatNoListenerHasStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var running atomic.Int32
		r := newRig(t, rigConfig{
			pool: goroutine.Config{MaxWorkers: 1},
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				if n >= 10 { // the first are quick, so the consumer receives ahead
					running.Add(1)
					<-hold
				}
				return nil
			})},
		})
		r.sendEvents(40)
		r.start()
		r.eventually("a message at work and others waiting behind it", func() bool {
			return running.Load() == 1 && r.stats().Waiting > 0
		})
		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		r.eventually("only the running message in flight", func() bool { return r.state(r.queue).InFlight == 1 })
		close(hold)
		must(t, <-stopped)
		if state := r.state(r.queue); state.InFlight != 0 || state.Visible != 29 {
			t.Errorf("%+v, want the 29 others visible at once", state)
		}
	})
}

func TestStopLetsThePollInFlightEndAndReturnsWhatItBrings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{queue: sqs.Queue{WaitTime: 4 * time.Second}, listeners: []events.Listener{
			listen(func(context.Context, int) error { return nil }),
		}})
		r.start()
		wait(time.Second)
		stopped := make(chan error, 1)
		go func() { stopped <- r.consumer.Stop(context.Background()) }()
		wait(time.Second)
		r.sendEvents(1)
		must(t, <-stopped)
		if state := r.state(r.queue); state.Visible != 1 {
			t.Errorf("%+v, want the message that came during the stop visible", state)
		}
		if s := r.stats(); s.Released != 1 || s.Acked != 0 {
			t.Errorf("released %d, handled %d; want 1 and 0", s.Released, s.Acked)
		}
	})
}

func TestStopReportsListenersThatOutlastIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var cause error
		r := newRig(t, rigConfig{
			config: sqs.Config{ShutdownTimeout: 10 * time.Second},
			listeners: []events.Listener{listen(func(ctx context.Context, n int) error {
				if n == 0 {
					<-hold // deaf
					return nil
				}
				<-ctx.Done()
				cause = context.Cause(ctx)
				return ctx.Err()
			})},
		})
		r.sendEvents(2)
		must(t, r.consumer.Start(t.Context()))
		r.eventually("both at work", func() bool { return r.stats().Running == 2 })
		began := time.Now()
		err := r.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the stop took %v, its budget is 10s", took)
		}
		left, ok := errors.AsType[*sqs.AbandonedError](err)
		if !ok || left.Report.Abandoned != 1 || left.Report.Handled != 1 || left.Report.Unsettled != 0 {
			t.Errorf("error is %v, want one message abandoned and one handled", err)
		}
		if cause == nil || !strings.Contains(cause.Error(), "stopping") {
			t.Errorf("the listener was cancelled by %v", cause)
		}
		if state := r.state(r.queue); state.Visible != 1 {
			t.Errorf("%+v, want the cancelled message visible at once", state)
		}
		close(hold)
	})
}

func TestStopObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error {
			<-hold
			return nil
		})}})
		r.sendEvents(1)
		must(t, r.consumer.Start(t.Context()))
		r.eventually("it runs", func() bool { return r.stats().Running == 1 })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		err := r.consumer.Stop(ctx)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the stop took %v of a context of 2s", took)
		}
		if _, ok := errors.AsType[*sqs.AbandonedError](err); !ok {
			t.Errorf("error is %v, want an AbandonedError", err)
		}
		close(hold)
	})
}

func TestStartAndStopAreIdempotent(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigConfig{})
	must(t, r.consumer.Stop(t.Context())) // without a start
	must(t, r.consumer.Start(t.Context()))
	must(t, r.consumer.Start(t.Context()))
	must(t, r.stop())
	must(t, r.stop())
}

package sqs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestHeartbeatsKeepALongListenersMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{
			attributes: map[string]string{"VisibilityTimeout": "30"},
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				seen.add(n)
				wait(10 * time.Minute)
				return nil
			})},
		})
		r.sendEvents(1)
		r.start()
		r.within(time.Hour, "the message deleted", func() bool { return r.depth(r.queue) == 0 })
		seen.onceEach(t, 1)
		// 10 minutes of 30 s leases, each renewed at about its half.
		if calls := r.srv.Calls("ChangeMessageVisibilityBatch"); calls < 30 || calls > 50 {
			t.Errorf("%d renewals, want about 40", calls)
		}
	})
}

func TestHeartbeatsAreBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{
			attributes: map[string]string{"VisibilityTimeout": "30"},
			pool:       goroutine.Config{MaxWorkers: 100},
			listeners: []events.Listener{listen(func(context.Context, int) error {
				wait(2 * time.Minute)
				return nil
			})},
		})
		r.sendEvents(100)
		r.start()
		r.within(time.Hour, "all done", func() bool { return r.depth(r.queue) == 0 })
		renewals := len(r.srv.Journal().Find(sqslocal.VisibilityChanged))
		calls := r.srv.Calls("ChangeMessageVisibilityBatch")
		if renewals < 600 || calls > renewals/5 {
			t.Errorf("%d renewals in %d requests, want at least 600, five or more to a request", renewals, calls)
		}
	})
}

func TestALostLeaseCancelsTheListenerAndSQSDeliversAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var causes []error
		var runs atomic.Int32
		r := newRig(t, rigConfig{
			attributes: map[string]string{"VisibilityTimeout": "30"},
			listeners: []events.Listener{listen(func(ctx context.Context, _ int) error {
				if runs.Add(1) > 1 {
					return nil
				}
				<-ctx.Done()
				causes = append(causes, context.Cause(ctx))
				if d, _ := sqs.DeliveryFrom(ctx); !d.Lost {
					t.Errorf("the listener is not told that the lease is lost: %+v", d)
				}
				return ctx.Err()
			})},
		})
		must(t, r.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.ServerError, Action: "ChangeMessageVisibilityBatch"}))
		r.sendEvents(1)
		began := time.Now()
		r.start()
		r.eventually("the second run", func() bool { return runs.Load() == 2 })
		r.empty()
		if len(causes) != 1 || !errors.Is(causes[0], sqs.ErrLeaseLost) {
			t.Errorf("cause is %v, want ErrLeaseLost", causes)
		}
		if took := time.Since(began); took < 30*time.Second || took > 40*time.Second {
			t.Errorf("delivered again after %v, want soon after the visibility of 30s", took)
		}
		if tries := r.srv.Calls("ChangeMessageVisibilityBatch"); tries < 5 {
			t.Errorf("%d tries to renew within one lease, want at least 5", tries)
		}
		if s := r.stats(); s.LeasesLost != 1 {
			t.Errorf("%d leases counted as lost, want 1", s.LeasesLost)
		}
	})
}

func TestALeaseEndsBeforeTwelveHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		var after time.Duration
		var runs atomic.Int32
		began := time.Now()
		r := newRig(t, rigConfig{
			attributes: map[string]string{"VisibilityTimeout": "600"},
			listeners: []events.Listener{listen(func(ctx context.Context, _ int) error {
				if runs.Add(1) > 1 {
					return nil
				}
				<-ctx.Done()
				cause, after = context.Cause(ctx), time.Since(began)
				return ctx.Err()
			})},
		})
		r.sendEvents(1)
		r.start()
		wait(13 * time.Hour)
		if !errors.Is(cause, sqs.ErrLeaseLost) || after > 12*time.Hour || after < 11*time.Hour {
			t.Errorf("cancelled after %v by %v, want ErrLeaseLost within the last hour of twelve", after, cause)
		}
		if r.depth(r.queue) != 0 {
			t.Error("the redelivery was not handled")
		}
	})
}

// A renewal that is under way when a listener fails must not undo the delay that the failure sets.
func TestARenewalUnderWayDoesNotOverwriteARetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		r := newRig(t, rigConfig{
			attributes: map[string]string{"VisibilityTimeout": "100"},
			listeners: []events.Listener{listen(func(context.Context, int) error {
				if at = append(at, time.Now()); len(at) > 1 {
					return nil
				}
				wait(56 * time.Second) // a renewal is in flight: it goes out at 45 to 55 s
				return events.RetryAfter(errors.New("busy"), time.Second)
			})},
		})
		must(t, r.srv.SetFaults(sqslocal.Fault{
			Effect: sqslocal.Slow, Action: "ChangeMessageVisibilityBatch", Times: 1, Latency: sqslocal.Latency{P50: 15 * time.Second},
		}))
		r.sendEvents(1)
		r.start()
		wait(5 * time.Minute)
		if len(at) != 2 {
			t.Fatalf("ran %d times, want 2", len(at))
		}
		if gap := at[1].Sub(at[0]); gap > 75*time.Second {
			t.Errorf("came back %v after its start, want about 56s + the slow renewal + 1s", gap)
		}
	})
}

func TestRequestsThatHangDoNotStopRenewals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		hang := &hangingAPI{}
		r := newRig(t, rigConfig{
			attributes: map[string]string{"VisibilityTimeout": "60"},
			api:        func(api sqs.API) sqs.API { hang.API = api; return hang },
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				seen.add(n)
				wait(5 * time.Minute)
				return nil
			})},
		})
		r.sendEvents(1)
		r.start()
		r.within(time.Hour, "the message deleted", func() bool { return r.depth(r.queue) == 0 })
		seen.onceEach(t, 1)
		if hang.hung.Load() < 2 {
			t.Errorf("%d renewals hung, the test wants some", hang.hung.Load())
		}
	})
}

// hangingAPI never answers every other renewal.
type hangingAPI struct {
	sqs.API
	calls, hung atomic.Int32
}

func (a *hangingAPI) ChangeMessageVisibilityBatch(ctx context.Context, in *awssqs.ChangeMessageVisibilityBatchInput, opts ...func(*awssqs.Options)) (*awssqs.ChangeMessageVisibilityBatchOutput, error) {
	if a.calls.Add(1)%2 == 1 {
		a.hung.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return a.API.ChangeMessageVisibilityBatch(ctx, in, opts...)
}

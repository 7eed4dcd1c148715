package sqs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestPollsSurviveEveryErrorWithoutSpinning(t *testing.T) {
	t.Parallel()
	for _, effect := range []sqslocal.Effect{sqslocal.ServerError, sqslocal.Unavailable, sqslocal.Throttle, sqslocal.ResetBefore} {
		t.Run(string(effect), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen count
				r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
					seen.add(n)
					return nil
				})}})
				must(t, r.srv.SetFaults(sqslocal.Fault{Effect: effect, Action: "ReceiveMessage"}))
				r.sendEvents(50)
				r.start()
				wait(10 * time.Minute)
				if calls := r.srv.Calls("ReceiveMessage"); calls < 60 || calls > 600 {
					t.Errorf("%d polls in an outage of ten minutes, want 60 to 600", calls)
				}
				must(t, r.srv.SetFaults())
				began := time.Now()
				r.empty()
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("polling again %v after the end of the outage, want at most the longest pause", took)
				}
				seen.onceEach(t, 50)
			})
		})
	}
}

func TestAPanicInTheClientDoesNotEndPolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{
			api: func(api sqs.API) sqs.API { return &panickingAPI{API: api} },
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				seen.add(n)
				return nil
			})},
		})
		r.sendEvents(30)
		r.start()
		r.empty()
		seen.onceEach(t, 30)
	})
}

// panickingAPI panics in the first three receives.
type panickingAPI struct {
	sqs.API
	calls atomic.Int32
}

func (a *panickingAPI) ReceiveMessage(ctx context.Context, in *awssqs.ReceiveMessageInput, opts ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	if a.calls.Add(1) <= 3 {
		panic("a hook of the client")
	}
	return a.API.ReceiveMessage(ctx, in, opts...)
}

func TestADeletedQueueIsPolledSlowlyAndFoundAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
			seen.add(n)
			return nil
		})}})
		r.start()
		_, err := r.client.DeleteQueue(t.Context(), &awssqs.DeleteQueueInput{QueueUrl: aws.String(r.url(r.queue))})
		must(t, err)
		wait(10 * time.Second)
		before := r.srv.Calls("ReceiveMessage")
		wait(5 * time.Minute)
		if polls := r.srv.Calls("ReceiveMessage") - before; polls < 5 || polls > 12 {
			t.Errorf("%d polls of a missing queue in five minutes, want one each 30 s", polls)
		}
		if logged := r.logs.FilterLevelExact(zap.ErrorLevel).Len(); logged == 0 {
			t.Error("a missing queue is not logged as an error")
		}
		_, err = r.srv.CreateQueue(r.queue, nil)
		must(t, err)
		r.sendEvents(3)
		r.empty()
		seen.onceEach(t, 3)
	})
}

func TestFaultsOfEveryKindLoseNothingAndRunNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{
			maxReceive: 100,
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				seen.add(n)
				return nil
			})},
		})
		r.sendEvents(3000)
		must(t, r.srv.SetFaults(
			sqslocal.Fault{Effect: sqslocal.ServerError, Probability: 0.05},
			sqslocal.Fault{Effect: sqslocal.Throttle, Probability: 0.02},
			sqslocal.Fault{Effect: sqslocal.ResetBefore, Probability: 0.01},
			sqslocal.Fault{Effect: sqslocal.ResetAfter, Action: "DeleteMessageBatch", Probability: 0.01},
			sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "DeleteMessageBatch", Probability: 0.05},
		))
		r.start()
		r.within(time.Hour, "everything handled", func() bool { return r.depth(r.queue) == 0 })
		seen.onceEach(t, 3000)
	})
}

package sqs_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// weather is what SQS does on a bad day: no outage, but one request in twelve fails.
var weather = []sqslocal.Fault{
	{Effect: sqslocal.ServerError, Probability: 0.05},
	{Effect: sqslocal.Throttle, Probability: 0.02},
	{Effect: sqslocal.ResetBefore, Probability: 0.01},
}

// latency makes each request take as long as they do within a region.
var latency = sqslocal.Fault{Effect: sqslocal.Slow, Latency: sqslocal.Latency{P50: 15 * time.Millisecond}}

// handling starts a consumer on n messages of a millisecond each and answers how long it takes for them. In
// a bubble processors are free: what counts is whether there are enough messages at hand.
func handling(t *testing.T, n int, r *rig, seen *count, done <-chan struct{}) time.Duration {
	t.Helper()
	began := time.Now()
	r.start()
	<-done
	took := time.Since(began)
	must(t, r.srv.SetFaults())
	r.empty()
	seen.onceEach(t, n)
	return took
}

func TestScatteredFailuresDoNotSlowTheConsumerDown(t *testing.T) {
	t.Parallel()
	const n = 6_000
	took := func(faults ...sqslocal.Fault) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			seen, listener, done := quick(n)
			r := newRig(t, rigConfig{pool: goroutine.Config{MaxWorkers: 8}, listeners: []events.Listener{listener}})
			r.sendEvents(n)
			must(t, r.srv.SetFaults(append(faults, latency)...))
			d = handling(t, n, r, seen, done)
		})
		return d
	}
	if good, bad := took(), took(weather...); bad > good*105/100 {
		t.Errorf("%v with failures, %v without", bad, good)
	}
}

func TestPollsSettleAtTheRateThatSQSAllows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, perSecond = 6_000, 300 // as on a FIFO queue
		seen, listener, done := quick(n)
		limiter := &limitedAPI{every: time.Second / perSecond}
		r := newRig(t, rigConfig{pool: goroutine.Config{MaxWorkers: 8}, listeners: []events.Listener{listener}, api: func(api sqs.API) sqs.API {
			limiter.API = api
			return limiter
		}})
		r.sendEvents(n)
		must(t, r.srv.SetFaults(latency))
		took := handling(t, n, r, seen, done)

		if limit := n / 10 * time.Second / perSecond; took > limit*120/100 {
			t.Errorf("took %v, SQS would have allowed %v", took, limit)
		}
		if limiter.refused > n/10/4 {
			t.Errorf("%d requests were refused for the %d that were allowed", limiter.refused, n/10)
		}
	})
}

// quick is a listener that takes a millisecond, and tells when it has handled n messages.
func quick(n int) (*count, events.Listener, <-chan struct{}) {
	seen, done := new(count), make(chan struct{})
	var once sync.Once
	return seen, listen(func(_ context.Context, i int) error {
		wait(time.Millisecond)
		seen.add(i)
		if seen.len() == n {
			once.Do(func() { close(done) })
		}
		return nil
	}), done
}

// limitedAPI throttles receives that follow one another too quickly.
type limitedAPI struct {
	sqs.API
	every time.Duration

	mu      sync.Mutex
	next    time.Time
	refused int
}

func (l *limitedAPI) ReceiveMessage(ctx context.Context, in *awssqs.ReceiveMessageInput, options ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	if !l.allow(time.Now()) {
		wait(15 * time.Millisecond)
		return nil, &types.RequestThrottled{Message: aws.String("too many")}
	}
	return l.API.ReceiveMessage(ctx, in, options...)
}

// allow is a token bucket that holds a tenth of a second's receives.
func (l *limitedAPI) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if full := now.Add(-100 * time.Millisecond); l.next.Before(full) {
		l.next = full
	}
	if l.next.After(now) {
		l.refused++
		return false
	}
	l.next = l.next.Add(l.every)
	return true
}

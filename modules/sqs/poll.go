package sqs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

const (
	// pollGrace is how much longer than its wait time a receive may take before it counts as hung.
	pollGrace = 15 * time.Second

	// A failure among successes costs its own poll a short pause. This many in a row, and more than there
	// are polls in flight, are an outage: one poll probes, with growing pauses.
	outage = 3

	// Polls are added while SQS throttles less than this share of them.
	maxThrottled = 0.2

	hiccupPause    = 20 * time.Millisecond
	minPollPause   = 100 * time.Millisecond
	maxPollPause   = 10 * time.Second
	fatalPollPause = 30 * time.Second
)

// poll makes one receive for up to n messages and takes its lesson: a full one that listeners were
// waiting for makes room for another poll, an empty one takes a poll away, a failed one pauses. More
// polls than keep listeners busy would only queue up: at SQS, on the processors, in memory.
func (q *intake) poll(ctx context.Context, n int) {
	began := time.Now()
	messages, err := q.receive(n)
	took := time.Since(began)
	early := took < q.cfg.WaitTime/2
	starved := q.accept(messages)

	q.mu.Lock()
	q.throttled -= q.throttled / 16
	if n > 1 && len(messages) == n { // they were there: it has not waited for any
		q.latency += (took - q.latency) / 8
	}
	switch {
	case err != nil:
		q.pollFailed(err)
	case len(messages) == 0:
		q.target = max(q.target-1, 1)
	case len(messages) == n && starved && q.throttled < maxThrottled:
		q.target = min(q.target+1, q.cfg.MaxPollers)
	}
	if err == nil {
		q.failures, q.probes = 0, 0
		q.lastPoll = time.Now()
	}
	failures, probes := q.failures, q.probes
	q.mu.Unlock()

	switch {
	case err != nil:
		q.pauseAfter(ctx, err, failures, probes)
	case len(messages) == 0 && early:
		pause(ctx, minPollPause) // an endpoint that does not wait as asked must not make us spin
	}

	q.mu.Lock()
	q.moved = time.Now()
	q.polls--
	q.asked -= n
	q.wakeReceive()
	q.mu.Unlock()
}

// pollFailed takes the lesson of a failed receive. It needs mu.
func (q *intake) pollFailed(err error) {
	q.failures++
	if throttled(err) {
		q.throttled += 1.0 / 16
	}
	switch {
	case q.failures >= outage && q.failures > q.polls && (q.target == 1 || !throttled(err)):
		q.target = 1
		if q.probes == 0 || q.polls == 1 { // the others were sent before
			q.probes++
		}
	case fatal(err):
		q.target = 1
	case throttled(err): // one among many may be chance, many are a limit
		q.target = max(q.target-max(int(q.throttled*float64(q.target)), 1), 1)
	}
}

// systemAttributes are those that are read here; each one that is asked for costs its decoding.
var systemAttributes = []types.MessageSystemAttributeName{
	types.MessageSystemAttributeNameApproximateReceiveCount,
	types.MessageSystemAttributeNameSentTimestamp,
	types.MessageSystemAttributeNameMessageGroupId,
	types.MessageSystemAttributeNameAWSTraceHeader,
}

var allAttributes = []string{"All"}

// receive makes the call. A panic, of a hook in the SDK client for instance, is an error of this one
// poll; the next ones go on.
func (q *intake) receive(n int) (messages []*message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("receiving: panic: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(q.c.polling, q.cfg.WaitTime+pollGrace)
	defer cancel()
	in := &awssqs.ReceiveMessageInput{
		QueueUrl:                    aws.String(q.url),
		MaxNumberOfMessages:         int32(n),
		WaitTimeSeconds:             int32(q.cfg.WaitTime / time.Second),
		MessageAttributeNames:       allAttributes,
		MessageSystemAttributeNames: systemAttributes,
	}
	if q.cfg.Visibility > 0 {
		in.VisibilityTimeout = int32(q.cfg.Visibility / time.Second)
	}
	q.stats.requests[receiveMessage].Add(1)
	out, err := q.c.api.ReceiveMessage(ctx, in, receiving)
	if err != nil {
		return nil, fmt.Errorf("receiving: %w", err)
	}
	if len(out.Messages) == 0 {
		q.stats.emptyReceives.Add(1)
		return nil, nil
	}
	q.stats.received.Add(int64(len(out.Messages)))
	now := time.Now()
	messages = q.newMessages(out.Messages, now)
	q.c.tel.received(q, messages, now)
	return messages, nil
}

// pauseAfter keeps a failed poll's place for a while, so that an endpoint that is down or throttles
// gets one request per pause and not a storm.
func (q *intake) pauseAfter(ctx context.Context, err error, failures, probes int) {
	if ctx.Err() != nil {
		return
	}
	d := jittered(hiccupPause, hiccupPause, 1)
	if probes > 0 {
		d = jittered(minPollPause, maxPollPause, probes)
	}
	if fatal(err) {
		d = max(d, fatalPollPause)
		q.log.Error("queue cannot be polled, trying on slowly"+hint(err), zap.Error(err), zap.Duration("pause", d))
	} else {
		q.log.Warn("poll failed, trying again"+hint(err), zap.Error(err), zap.Duration("pause", d), zap.Int("failures", failures))
	}
	pause(ctx, d)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// jittered is exponential back-off with full jitter, of which a tenth is always waited.
func jittered(lowest, highest time.Duration, n int) time.Duration {
	if lowest <= 0 {
		return 0
	}
	ceiling := highest
	if shift := n - 1; shift < 32 && lowest<<max(shift, 0) < highest && lowest<<max(shift, 0) > 0 {
		ceiling = lowest << max(shift, 0)
	}
	return max(ceiling/10, time.Duration(rand.Int64N(int64(ceiling)+1)))
}

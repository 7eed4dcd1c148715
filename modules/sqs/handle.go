package sqs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
)

// errStopping is the cause of a listener's cancelled context when the stop budget is spent.
var errStopping = errors.New("sqs: the consumer is stopping and its time is up")

// handle runs one message to its settlement.
func (q *intake) handle(ctx context.Context, m *message) {
	began := time.Now()
	verdict := events.Disposition{Action: events.Retry, Reason: "the handler ended without an answer"}
	defer func() { // also after Goexit
		q.settle(m, verdict, time.Since(began))
	}()

	if q.processed.redelivered(m.id, m.lease.handle) {
		m.fate = duplicate
		verdict = events.Disposition{Action: events.Ack}
		return
	}
	ctx, cancel, err := q.c.leases.work(events.WithAttempt(m.context(ctx), m.receives), &m.lease)
	if err != nil {
		verdict.Reason = err.Error()
		return
	}
	defer cancel(nil)

	verdict = q.verdict(ctx, m)
	if verdict.Action == events.DeadLetter {
		m.object = "" // the copy in the dead-letter queue points to it
		verdict = q.bury(ctx, m, verdict)
	}
}

// verdict decodes the message and runs its events through the bus. A panic of a decoder is an error
// like any other: the redrive policy ends a message that always causes it.
func (q *intake) verdict(ctx context.Context, m *message) (verdict events.Disposition) {
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("handling a message panicked", zap.String("message", m.id), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			verdict = events.Disposition{Action: events.Retry, Reason: fmt.Sprintf("panic: %v", p)}
		}
	}()
	in, err := q.unpack(ctx, m)
	if err != nil {
		q.log.Warn("body of message cannot be had", zap.String("message", m.id), zap.Error(err))
		return unreadable(err)
	}
	all, err := q.c.decoder.Decode(in)
	if err != nil {
		return events.Disposition{Action: events.DeadLetter, Reason: err.Error()}
	}
	verdict = events.Disposition{Action: events.Ack}
	for _, e := range all {
		verdict = events.Combine(verdict, q.eventVerdict(ctx, m, e))
	}
	return verdict
}

func (q *intake) eventVerdict(ctx context.Context, m *message, e events.Any) events.Disposition {
	outcome := q.c.bus.Deliver(ctx, e)
	for _, r := range outcome.Results {
		m.work += r.Duration
	}
	verdict := outcome.Disposition()
	if outcome.NoListener {
		q.stats.unhandled.Add(1)
		reason := fmt.Sprintf("no listener is registered for event %q", e.Name)
		switch q.cfg.NoListener {
		case DeleteUnhandled:
			return events.Disposition{Action: events.Ack}
		case DeadLetterUnhandled:
			return events.Disposition{Action: events.DeadLetter, Reason: reason}
		default:
			verdict = events.Disposition{Action: events.Retry, Reason: reason}
		}
	}
	if verdict.Action == events.Retry {
		q.log.Warn("event not handled, its message comes back",
			zap.String("message", m.id), zap.String("event", e.Name), zap.String("event_id", e.ID),
			zap.Int("receives", m.receives), zap.String("reason", verdict.Reason))
	}
	return verdict
}

// settle carries the verdict out and lets the group of a FIFO message go on, or go back.
func (q *intake) settle(m *message, verdict events.Disposition, took time.Duration) {
	failed := verdict.Action != events.Ack
	m.raw = types.Message{} // a message lives as long as the others of its receive
	q.mu.Lock()
	q.keepPace(took)
	q.worked += max(m.work-took, 0) // listeners that ran beside others had workers besides ours
	released := q.backlog.done(m, failed)
	q.running--
	q.held -= 1 + len(released)
	q.unsettled++
	q.wakeReceive()
	q.mu.Unlock()

	if !failed {
		q.stats.settled(m.fate)
		q.ack(m)
		return
	}
	q.stats.retried.Add(1)
	q.retry(m, q.delay(m, verdict))
	q.release(released)
}

// delay is when a failed message may come back: as the listener asked, else after the back-off.
func (q *intake) delay(m *message, verdict events.Disposition) time.Duration {
	d := verdict.After
	switch {
	case q.c.leases.calledOff():
		return 0 // stopping: another process may have it at once
	case d <= 0:
		d = jittered(q.cfg.Retry.Min, q.cfg.Retry.Max, m.receives)
	}
	// SQS counts visibility in whole seconds, from the receive on 12 h in all.
	left := time.Until(m.lease.received.Add(maxVisibility))
	return max(min(d+time.Second-1, left).Truncate(time.Second), 0)
}

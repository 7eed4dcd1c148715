package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

// SQS holds a message back for 15 minutes at most; the job is due in a day, and then has all its attempts.
func TestALongDelayHopsThroughTheQueueWithoutSpendingAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		start := time.Now()
		job := jobs.New[int]("job", jobs.MaxAttempts(2), jobs.Backoff(time.Minute))
		r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(ctx context.Context, n int) error {
			ran.add("%d at %v, attempt %d", n, time.Since(start), jobs.Current(ctx).Attempt)
			return errDown
		})}})
		task := job.New(7, jobs.Delay(24*time.Hour+time.Minute+500*time.Millisecond))
		must(t, r.Dispatch(t.Context(), task))
		r.consume()
		ran.expect(t, "7 at 24h1m1s, attempt 1", "7 at 24h2m1s, attempt 2") // SQS rounds up to seconds
		// 96 quarters of an hour and a rest.
		if n := len(r.queue.sent); n != 97 {
			t.Errorf("the message was sent %d times, want 97", n)
		}
		for _, e := range r.queue.sent {
			if e.ID != task.ID() {
				t.Fatalf("a hop travels as %s, want %s", e.ID, task.ID())
			}
		}
	})
}

// Another listener of the event fails all the time. Were its message to come back for that, each hop would
// multiply.
func TestHopsDoNotMultiplyWhileAnotherListenerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		q := &queue{redrive: 5}
		r := newRig(t, rigConfig{
			queue:     q,
			handlers:  []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error { ran.add("ran"); return nil })},
			listeners: []events.Listener{events.On("**", "audit", func(context.Context, events.Any) error { return errDown })},
			bus:       []events.Option{events.WithLedger(forgetful{})},
		})
		must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(5*time.Hour))))
		for q.deliver(t.Context(), r.bus) {
			if q.len() > 1 {
				t.Fatalf("%d messages of one job", q.len())
			}
		}
		if len(q.sent) != 20 || len(q.dead) != 1 { // the audit's
			t.Errorf("sent %d times, dead letters %v", len(q.sent), q.dead)
		}
	})
}

func TestAHopThatCannotBeSentComesBackByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		start := time.Now()
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
			ran.add("ran at %v", time.Since(start))
			return nil
		})}})
		must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(time.Hour))))
		r.queue.refuse = func(events.Any) error { return errors.New("throttled") }
		r.consume()
		ran.expect(t, "ran at 1h0m0s")
		if len(r.queue.sent) != 1 {
			t.Errorf("sent %d times", len(r.queue.sent))
		}
	})
}

// An app that consumes a queue but publishes to its own bus has nowhere durable to send a job on to.
func TestAnEarlyJobIsNotLeftToTheMemoryOfAProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		start := time.Now()
		handler := sendWelcome.Handler(func(context.Context, welcome) error {
			ran.add("ran at %v", time.Since(start))
			return nil
		})
		audits := 0
		audit := events.On("**", "audit", func(context.Context, events.Any) error { audits++; return nil })
		q := new(queue)
		sender := newRig(t, rigConfig{queue: q})
		consumer := newRig(t, rigConfig{local: true, queue: q, handlers: []jobs.Handler{handler}, listeners: []events.Listener{audit}})
		must(t, sender.Dispatch(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(time.Hour))))
		q.deliver(t.Context(), consumer.bus)
		if q.len() != 1 {
			t.Fatal("the message is gone while the job waits in memory")
		}
		consumer.consume()
		ran.expect(t, "ran at 1h0m0s")
		if audits != 1 {
			t.Errorf("another listener ran %d times", audits)
		}
	})
}

// An outbox in front of the bus counts nothing and delays nothing, but it keeps the job until the bus takes it.
func TestATransportThatDoesNotCountKeepsTheJobUntilItIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(ctx context.Context, _ welcome) error {
			ran.add("attempt %d", jobs.Current(ctx).Attempt)
			if len(ran.all()) < 5 {
				return errDown
			}
			return nil
		})}})
		must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(time.Minute))))
		e := r.queue.sent[0]
		tries, early := 0, 0
		for r.bus.Publish(t.Context(), e) != nil { // as an outbox does
			if tries++; len(ran.all()) == 0 {
				early++
			}
			<-time.After(10 * time.Second)
		}
		ran.expect(t, "attempt 1", "attempt 1", "attempt 1", "attempt 1", "attempt 1")
		if early != 6 || len(r.failed()) > 0 || len(r.queue.sent) != 1 {
			t.Errorf("%d early tries, recorded %v, sent %d", early, r.failed(), len(r.queue.sent))
		}
	})
}

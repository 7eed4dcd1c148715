package sqs_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestEachMessageIsHandledOnceAndDeleted(t *testing.T) {
	t.Parallel()
	var seen count
	r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
		seen.add(n)
		return nil
	})}})
	r.sendEvents(1000)
	r.start()
	r.empty()
	seen.onceEach(t, 1000)
	if s := r.stats(); s.Acked != 1000 || s.Deleted != 1000 || s.Retried != 0 {
		t.Errorf("stats do not add up: %+v", s)
	}
}

func TestRequestsApproachTheFloorOnAFullQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error { return nil })}})
		must(t, r.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.Slow, Latency: sqslocal.Latency{P50: 15 * time.Millisecond}}))
		r.sendEvents(20_000) // so that the last polls, which find less, weigh little
		r.start()
		r.empty()
		if got := r.stats().RequestsPerMessage(); got > 0.21 {
			t.Errorf("%.3f requests per message, want at most 0.21: %+v", got, r.stats().Requests)
		}
	})
}

func TestIdleQueueCostsOnePollPerWaitTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{queue: sqs.Queue{WaitTime: 5 * time.Second}})
		r.start()
		wait(10*time.Minute + time.Second)
		if got := r.srv.Calls("ReceiveMessage"); got != 121 {
			t.Errorf("%d polls in ten minutes of 5 s polls, want 121", got)
		}
	})
}

func TestListenersRunOnPoolSlotsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		r := newRig(t, rigConfig{
			pool: goroutine.Config{MaxWorkers: 3},
			listeners: []events.Listener{listen(func(context.Context, int) error {
				running := now.Add(1)
				for m := most.Load(); running > m && !most.CompareAndSwap(m, running); m = most.Load() {
				}
				wait(time.Second)
				now.Add(-1)
				return nil
			})},
		})
		r.sendEvents(30)
		r.start()
		wait(500 * time.Millisecond)
		if s := r.stats(); s.Waiting > 0 || s.Running != 3 {
			t.Errorf("slow listeners: %d messages wait and %d run, want 0 and 3", s.Waiting, s.Running)
		}
		r.empty()
		if most.Load() != 3 {
			t.Errorf("%d listeners ran at once, want 3", most.Load())
		}
	})
}

func TestConcurrencyCapsOneQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{
			queue: sqs.Queue{Concurrency: 2},
			pool:  goroutine.Config{MaxWorkers: 8},
			listeners: []events.Listener{listen(func(context.Context, int) error {
				wait(time.Second)
				return nil
			})},
		})
		r.sendEvents(10)
		r.start()
		wait(500 * time.Millisecond)
		if s := r.stats(); s.Running != 2 || s.Waiting != 0 {
			t.Errorf("%d run and %d wait, want 2 and 0", s.Running, s.Waiting)
		}
		r.empty()
	})
}

func TestASlowMessageHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, rigConfig{
			pool: goroutine.Config{MaxWorkers: 4},
			listeners: []events.Listener{listen(func(_ context.Context, n int) error {
				if n == 0 {
					<-release
				}
				return nil
			})},
		})
		r.sendEvents(100)
		r.start()
		r.eventually("99 messages done while one is slow", func() bool { return r.stats().Deleted == 99 })
		close(release)
		r.empty()
	})
}

func TestFailedMessageReturnsAfterBackoffAndEndsInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		r := newRig(t, rigConfig{
			queue:      sqs.Queue{Retry: sqs.Backoff{Min: 10 * time.Second}},
			maxReceive: 4,
			listeners: []events.Listener{listen(func(ctx context.Context, _ int) error {
				at = append(at, time.Now())
				if n := events.Attempt(ctx); n != len(at) {
					t.Errorf("the listener was told %d, want %d", n, len(at))
				}
				return errors.New("no")
			})},
		})
		r.sendEvents(1)
		r.start()
		wait(10 * time.Minute)
		if r.depth(r.queue) != 0 || r.depth(r.dead()) != 1 {
			t.Fatalf("the message is not in the dead-letter queue: %+v", r.state(r.queue))
		}
		if len(at) != 4 {
			t.Fatalf("ran %d times, want 4", len(at))
		}
		for i := 1; i < len(at); i++ {
			ceiling := 10*time.Second<<(i-1) + 2*time.Second // whole seconds, and the poll's own way
			if gap := at[i].Sub(at[i-1]); gap < time.Second || gap > ceiling {
				t.Errorf("redelivery %d came after %v, want 1s to %v", i, gap, ceiling)
			}
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error {
			if at = append(at, time.Now()); len(at) == 1 {
				return events.RetryAfter(errors.New("busy"), 90*time.Second)
			}
			return nil
		})}})
		r.sendEvents(1)
		r.start()
		wait(3 * time.Minute)
		if len(at) != 2 {
			t.Fatalf("ran %d times, want 2", len(at))
		}
		if gap := at[1].Sub(at[0]); gap < 90*time.Second || gap > 91*time.Second {
			t.Errorf("came back after %v, want 90s", gap)
		}
	})
}

func TestPermanentErrorDeadLettersAtOnceWithReasonAndBodyUntouched(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error {
		return events.Permanent(errors.New("no such user"))
	})}})
	body := "{\"event\": \"work.done\",\t\"n\": 7 }"
	r.send(body)
	r.start()
	r.empty()
	m := r.receiveDead()
	if m.body != body {
		t.Errorf("body is %q, want %q", m.body, body)
	}
	if !strings.Contains(m.reason, "no such user") || !strings.Contains(m.reason, "worker") {
		t.Errorf("reason %q names neither the error nor the listener", m.reason)
	}
	if m.source != r.queue {
		t.Errorf("source is %q, want %q", m.source, r.queue)
	}
}

// Permanent errors without a dead-letter queue must not lose the message.
func TestWithoutDeadLetterQueuePermanentErrorsAreRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		r := newRig(t, rigConfig{noDead: true, listeners: []events.Listener{listen(func(context.Context, int) error {
			runs.Add(1)
			return events.Permanent(errors.New("no"))
		})}})
		r.sendEvents(1)
		r.start()
		wait(time.Minute)
		if runs.Load() < 3 || r.depth(r.queue) != 1 {
			t.Errorf("%d runs, %d messages left: want several runs and the message kept", runs.Load(), r.depth(r.queue))
		}
	})
}

func TestBadInputIsDeadLetteredWithAReason(t *testing.T) {
	t.Parallel()
	sized := func(n int) string {
		head, tail := `{"event":"work.done","n":"`, `"}`
		return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
	}
	for name, test := range map[string]struct{ body, reason string }{
		"broken JSON":        {`{"event":"work.done",`, "JSON"},
		"white space only":   {" \n\t ", "JSON"},
		"not JSON":           {"hello", "JSON"},
		"no event name":      {`{"n":1}`, "name"},
		"wrong payload type": {`{"event":"work.done","n":"seven"}`, "n"},
		"almost 1 MiB":       {sized(1<<20 - 100), "listener"},
		"1 MiB":              {sized(1 << 20), ""}, // SQS has no byte left for a reason: it is in the log
		"deep nesting":       {strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "128"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ran atomic.Int32
			r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error {
				ran.Add(1)
				return nil
			})}})
			r.send(test.body)
			r.start()
			r.empty()
			if m := r.receiveDead(); m.body != test.body || !strings.Contains(m.reason, test.reason) {
				t.Errorf("dead-lettered with reason %q and %d of %d bytes, want a reason with %q", m.reason, len(m.body), len(test.body), test.reason)
			}
			if ran.Load() != 0 {
				t.Error("the listener ran on bad input")
			}
			if logged := r.logs.FilterMessage("message dead-lettered").All(); len(logged) != 1 || logged[0].ContextMap()["reason"] == "" {
				t.Errorf("the log does not tell the reason: %v", logged)
			}
		})
	}
}

func TestUnknownEventFollowsNoListener(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		choice  sqs.Unhandled
		redrive int
		reason  string
		dead    int
	}{
		"retried until redriven": {sqs.RetryUnhandled, 2, "", 1},
		"dead-lettered":          {sqs.DeadLetterUnhandled, 5, `"user.gone"`, 1},
		"deleted":                {sqs.DeleteUnhandled, 5, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, rigConfig{queue: sqs.Queue{NoListener: test.choice}, maxReceive: test.redrive})
				r.send(`{"event":"user.gone"}`)
				r.start()
				r.empty()
				if got := r.depth(r.dead()); got != test.dead {
					t.Fatalf("%d dead letters, want %d", got, test.dead)
				}
				if test.reason != "" {
					if m := r.receiveDead(); !strings.Contains(m.reason, test.reason) {
						t.Errorf("reason %q does not name %s", m.reason, test.reason)
					}
				}
			})
		})
	}
}

func TestPanicsAndGoexitAreRetriedAndTheConsumerGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
			switch first := seen.add(n) == 1; {
			case first && n == 0:
				panic("boom")
			case first && n == 1:
				goexit()
			}
			return nil
		})}})
		r.sendEvents(20)
		r.start()
		r.empty()
		if seen.of(0) != 2 || seen.of(1) != 2 || seen.of(2) != 1 {
			t.Errorf("runs of 0, 1, 2: %d, %d, %d; want 2, 2, 1", seen.of(0), seen.of(1), seen.of(2))
		}
	})
}

func TestPauseStopsPollingAndResumeGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
			seen.add(n)
			return nil
		})}})
		r.start()
		must(t, r.consumer.Pause("work"))
		wait(6 * time.Second) // the poll in flight ends
		r.sendEvents(5)
		wait(time.Minute)
		if got := len(seen.order()); got != 0 || !r.stats().Paused {
			t.Errorf("%d messages handled while paused", got)
		}
		must(t, r.consumer.Resume())
		r.empty()
		seen.onceEach(t, 5)
		if err := r.consumer.Pause("other"); err == nil || !strings.Contains(err.Error(), "other") {
			t.Errorf("pausing a queue that is not consumed: %v", err)
		}
	})
}

func TestStartNamesEveryQueueThatIsMissing(t *testing.T) {
	t.Parallel()
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	defer srv.Close() //nolint:errcheck // nothing runs
	pool, err := goroutine.NewPool(goroutine.Config{})
	must(t, err)
	bus, err := events.NewBus(events.Config{}, pool, nil)
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	c, err := sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: "one"}, {Name: "two"}}}, srv.Client(), pool, bus, decoder)
	must(t, err)
	err = c.Start(t.Context())
	for _, want := range []string{"one", "two", "create the queue"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not contain %q: %v", want, err)
		}
	}
	must(t, c.Stop(t.Context()))
	must(t, pool.Stop(t.Context()))
}

// dead is a message of the dead-letter queue.
type deadMessage struct{ body, reason, source string }

func (r *rig) receiveDead() deadMessage {
	r.t.Helper()
	out, err := r.client.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{
		QueueUrl: aws.String(r.url(r.dead())), MessageAttributeNames: []string{"All"},
	})
	must(r.t, err)
	if len(out.Messages) != 1 {
		r.t.Fatalf("%d messages in the dead-letter queue, want 1", len(out.Messages))
	}
	m := out.Messages[0]
	text := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
	return deadMessage{aws.ToString(m.Body), text(sqs.AttributeReason), text(sqs.AttributeSource)}
}

// wait lets time pass. In a bubble it is virtual.
func wait(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

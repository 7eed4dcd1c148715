package sqs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestACallerThatLeavesWithdrawsWhatIsInNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(slow(time.Second))
		first := d.PublishAsync(t.Context(), numbered("fifo.done", 1, sqs.WithGroup("a")))
		synctest.Wait() // in a request now

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var group sync.WaitGroup
		group.Go(func() {
			err := d.Publish(ctx, numbered("fifo.done", 2, sqs.WithGroup("a"))) // waits behind the first
			failure, ok := errors.AsType[*sqs.PublishError](err)
			if !ok || failure.Uncertain || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: want a certain PublishError with the deadline", err)
			}
		})
		third := d.PublishAsync(ctx, numbered("fifo.done", 3, sqs.WithGroup("a"))) // its ctx ends with PublishAsync
		group.Wait()
		for _, p := range []*sqs.Pending{first, third} {
			if _, err := p.Await(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := numbers(t, d.receive(fifo)); len(got) != 2 || got[0] != 1 || got[1] != 3 {
			t.Errorf("stored %v, want 1 and 3: 2 was withdrawn", got)
		}
	})
}

func TestACallerThatLeavesARequestIsLeftInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(slow(time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		failure, ok := errors.AsType[*sqs.PublishError](d.Publish(ctx, numbered("work.done", 1)))
		if !ok || !failure.Uncertain || !errors.Is(failure, context.DeadlineExceeded) {
			t.Errorf("%v: want an uncertain PublishError with the deadline", failure)
		}
		<-time.After(time.Second) // virtual
		d.one(standard)           // it arrived all the same
	})
}

func TestStopSendsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(slow(15 * time.Millisecond))
		var pending []*sqs.Pending
		for i := range 100 {
			pending = append(pending, d.PublishAsync(t.Context(), numbered("fifo.done", i, sqs.WithGroup("one"))))
		}
		for i := range 100 {
			pending = append(pending, d.PublishAsync(t.Context(), numbered("work.done", i)))
		}
		must(t, d.Stop(t.Context()))
		for _, p := range pending {
			if !closed(p.Done()) {
				t.Fatal("Stop returned before an event had its answer")
			}
			if _, err := p.Await(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if a, b := len(d.receive(fifo)), len(d.receive(standard)); a+b != 200 {
			t.Errorf("%d messages stored, want 200", a+b)
		}
		if err := d.Publish(t.Context(), numbered("work.done", 1)); !errors.Is(err, sqs.ErrStopped) {
			t.Errorf("Publish after Stop: %v, want ErrStopped", err)
		}
		must(t, d.Stop(t.Context()))
	})
}

func TestStopTellsEachCallerWhatItCouldNotSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{ShutdownTimeout: 2 * time.Second})
		d.faults(slow(500 * time.Millisecond)) // one group: four of ten fit into the budget
		var pending []*sqs.Pending
		for i := range 10 {
			pending = append(pending, d.PublishAsync(t.Context(), numbered("fifo.done", i, sqs.WithGroup("one"))))
		}
		began := time.Now()
		err := d.Stop(t.Context())
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("Stop took %v, want its budget of 2s", took)
		}
		var sent, doubtful, unsent int
		for _, p := range pending {
			_, failure := p.Await(t.Context())
			publish, _ := errors.AsType[*sqs.PublishError](failure)
			switch {
			case failure == nil:
				sent++
			case !errors.Is(failure, sqs.ErrStopped):
				t.Errorf("%v, want ErrStopped", failure)
			case publish.Uncertain:
				doubtful++
			default:
				unsent++
			}
		}
		if sent < 3 || sent > 4 || doubtful > 1 || sent+doubtful+unsent != 10 {
			t.Errorf("%d sent, %d in doubt, %d not sent", sent, doubtful, unsent)
		}
		if err == nil || !strings.Contains(err.Error(), "not sent") {
			t.Errorf("Stop: %v, want an error that counts what is left", err)
		}
		if n := len(d.receive(fifo)); n < sent || n > sent+doubtful {
			t.Errorf("%d messages stored, and %d callers were told so", n, sent)
		}
		must(t, d.Stop(t.Context())) // the second one does nothing
	})
}

func TestThePublishersStopObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(slow(time.Hour))
		pending := d.PublishAsync(t.Context(), numbered("work.done", 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := d.Stop(ctx); err == nil {
			t.Error("Stop said nothing about an event without an answer")
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("Stop took %v, want the second of its context", took)
		}
		if _, err := pending.Await(t.Context()); !errors.Is(err, sqs.ErrStopped) {
			t.Errorf("%v, want ErrStopped", err)
		}
	})
}

func TestStopWithoutEventsDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		must(t, d.Stop(t.Context()))
		if n := d.requests(); n != 0 {
			t.Errorf("%d requests, want none", n)
		}
	})
}

// A request whose answer never comes counts as lost.
func TestAHungRequestIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		hang := slow(24 * time.Hour)
		hang.Times = 1
		d.faults(hang)
		began := time.Now()
		must(t, d.Publish(t.Context(), numbered("work.done", 1)))
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the event waited %v for a request that hung", took)
		}
	})
}

// Callers wait once the buffer is full, and go on as answers come in.
func TestABufferThatIsFullBlocksCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{PublishBuffer: 4 << 20})
		d.faults(slow(10 * time.Second))
		const size, n = 1 << 15, 150
		var mu sync.Mutex
		admitted := 0
		var group sync.WaitGroup
		var pending [n]*sqs.Pending
		for i := range n {
			group.Go(func() {
				p := d.PublishAsync(t.Context(), bulky(size, events.WithMetadata("publish.group", string(rune('a'+i%26)))))
				mu.Lock()
				defer mu.Unlock()
				pending[i] = p
				admitted++
			})
		}
		synctest.Wait()
		mu.Lock()
		if bytes := admitted * size; bytes > 4<<20 || bytes < 7<<19 {
			t.Errorf("%d events of %d KiB are on their way, want just below 4 MiB", admitted, size>>10)
		}
		mu.Unlock()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failure, ok := errors.AsType[*sqs.PublishError](d.Publish(ctx, bulky(size)))
		if !ok || failure.Uncertain || !strings.Contains(failure.Error(), "4 MiB") {
			t.Errorf("%v: want the full buffer as the reason", failure)
		}

		d.faults()
		group.Wait()
		for _, p := range pending {
			if _, err := p.Await(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestStopFreesCallersThatWaitForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{ShutdownTimeout: time.Second, PublishBuffer: 2 << 20})
		d.faults(slow(time.Hour))
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if err := d.Publish(t.Context(), bulky(100_000)); !errors.Is(err, sqs.ErrStopped) {
					t.Errorf("%v, want ErrStopped", err)
				}
			})
		}
		synctest.Wait()
		if err := d.Stop(t.Context()); err == nil {
			t.Error("Stop said nothing about events without an answer")
		}
		group.Wait()
	})
}

// Publishing, leaving and stopping at the same time: no caller is left without an answer, none is told
// wrong.
func TestCallersStopAndFaultsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{ShutdownTimeout: time.Second})
		d.faults(
			sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch", Probability: 0.2},
			sqslocal.Fault{Effect: sqslocal.ResetAfter, Action: "SendMessageBatch", Probability: 0.1},
			slow(20*time.Millisecond),
		)
		var mu sync.Mutex
		fate := map[int]error{}
		var group sync.WaitGroup
		for c := range 20 {
			group.Go(func() {
				for i := range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+c*3)*time.Millisecond)
					n := c*100 + i
					err := d.Publish(ctx, numbered("fifo.done", n, sqs.WithGroup(string(rune('a'+c%4)))))
					cancel()
					mu.Lock()
					fate[n] = err
					mu.Unlock()
				}
			})
		}
		<-time.After(200 * time.Millisecond)        // virtual
		if err := d.Stop(t.Context()); err != nil { // what it left is in the callers' errors
			t.Log(err)
		}
		group.Wait()
		stored := map[int]bool{}
		for _, n := range numbers(t, d.receive(fifo)) {
			stored[n] = true
		}
		for n, err := range fate {
			failure, failed := errors.AsType[*sqs.PublishError](err)
			switch {
			case err == nil && !stored[n]:
				t.Errorf("%d: its caller was told that it is stored, and it is not", n)
			case failed && !failure.Uncertain && stored[n]:
				t.Errorf("%d: its caller was told that it is not stored (%v), and it is", n, err)
			}
		}
	})
}

func TestAnEventWithoutARouteSaysSo(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{Publish: []sqs.Route{{Pattern: "known.*", Queue: standard}}})
	err := d.Publish(t.Context(), numbered("unknown.event", 1))
	if err == nil || !strings.Contains(err.Error(), `no route for event "unknown.event"`) {
		t.Errorf("%v, want the missing route", err)
	}
}

func TestAQueueThatIsMissingIsLookedForAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: "later"}}})
	if err := d.Publish(t.Context(), numbered("work.done", 1)); err == nil || !strings.Contains(err.Error(), "create the queue") {
		t.Errorf("%v, want the mend", err)
	}
	_, err := d.srv.CreateQueue("later", nil)
	must(t, err)
	must(t, d.Publish(t.Context(), numbered("work.done", 1)))
}

func TestEventsGoWhereTheFirstMatchingRouteSays(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{Publish: []sqs.Route{
		{Pattern: "user.created", Queue: "users"},
		{Pattern: "user.*", Queue: "http://elsewhere/000000000000/others"},
		{Pattern: "**", Queue: "arn:aws:sqs:us-east-1:000000000000:rest"},
	}})
	for _, queue := range []string{"users", "others", "rest"} {
		_, err := d.srv.CreateQueue(queue, nil)
		must(t, err)
	}
	must(t, d.Publish(t.Context(), numbered("user.created", 1), numbered("order.paid", 2), numbered("user.deleted", 3), numbered("user.created", 4)))
	for queue, want := range map[string]int{"users": 2, "others": 1, "rest": 1} {
		if got := len(d.receive(queue)); got != want {
			t.Errorf("queue %q has %d messages, want %d", queue, got, want)
		}
	}
}

func TestConfigNamesEveryBadRoute(t *testing.T) {
	t.Parallel()
	_, err := sqs.NewPublisher(sqs.Config{
		Publish: []sqs.Route{
			{Pattern: "user.**.created", Queue: "a"},
			{Pattern: "a", Queue: "no such name"},
			{Pattern: "b", Queue: "q", Topic: "arn:aws:sns:us-east-1:000000000000:t"},
			{Pattern: "c", Topic: "not-an-arn"},
			{Pattern: "d", Bus: "bus"},
			{Pattern: "e", Queue: "x.fifo", PackGroups: true},
			{Pattern: "f", Queue: "x.fifo"},
		},
		PublishBuffer: 1 << 20, Payload: sqs.Payload{CompressAbove: -1, OffloadAbove: 2 << 20},
	}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Publish[0].Pattern", "Publish[1].Queue", "Publish[2].Queue", "Publish[3].Topic", "Publish[6].PackGroups",
		"PublishBuffer", "Payload.CompressAbove", "Payload.OffloadAbove", "Publish[0]: nothing here sends to a queue",
		"Publish[3]: nothing here sends to a topic", "Publish[4]: nothing here sends to a bus",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s:\n%v", want, err)
		}
	}
}

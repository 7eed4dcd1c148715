package sqs_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// publishLoad lets each of the callers publish one event after another, and returns the virtual time
// that took.
func publishLoad(t *testing.T, d *desk, callers, each int) time.Duration {
	t.Helper()
	began := time.Now()
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for i := range each {
				if err := d.Publish(t.Context(), numbered("work.done", c*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	return time.Since(began)
}

func TestConcurrentCallersShareRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		callers  int
		latency  time.Duration
		requests float64 // for each message, at most
		slower   time.Duration
	}{
		{"64 callers at 15ms", 64, 15 * time.Millisecond, 0.11, 5 * time.Millisecond},
		{"64 callers at 2ms", 64, 2 * time.Millisecond, 0.11, 5 * time.Millisecond},
		{"120 callers at 15ms", 120, 15 * time.Millisecond, 0.105, 5 * time.Millisecond},
		{"2 callers at 15ms wait for nobody", 2, 15 * time.Millisecond, 1, 0},
		{"a lone caller at 15ms waits for nobody", 1, 15 * time.Millisecond, 1, 0},
		{"8 callers at 200ms hardly wait", 8, 200 * time.Millisecond, 1, 5 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const each = 30
				d := newDesk(t, sqs.Config{})
				d.faults(slow(test.latency))
				took := publishLoad(t, d, test.callers, each)
				perMessage := float64(d.requests()) / float64(test.callers*each)
				t.Logf("%.4f requests for each message, %v for %d in a row", perMessage, took, each)
				if perMessage > test.requests {
					t.Errorf("%.4f requests for each message, want at most %v", perMessage, test.requests)
				}
				if most := each * (test.latency + test.slower); took > most {
					t.Errorf("%d events in a row took %v, want at most %v", each, took, most)
				}
				if n := len(d.receive(standard)); n != test.callers*each {
					t.Errorf("%d messages in the queue, want %d", n, test.callers*each)
				}
			})
		})
	}
}

func TestJitterDoesNotSpoilCoalescing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		f := slow(15 * time.Millisecond)
		f.Latency.P99 = 80 * time.Millisecond
		d.faults(f)
		publishLoad(t, d, 64, 50)
		perMessage := float64(d.requests()) / 3200
		t.Logf("%.4f requests for each message", perMessage)
		if perMessage > 0.11 {
			t.Errorf("%.4f requests for each message, want at most 0.11", perMessage)
		}
		s := d.Stats()[0]
		if s.Sent != 3200 || s.Requests != int64(d.requests()) || s.Waiting != 0 || s.RequestsPerMessage() != perMessage {
			t.Errorf("stats %+v do not agree with the server's %d requests", s, d.requests())
		}
	})
}

func TestOneCallFillsItsRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(slow(15 * time.Millisecond))
		batch := make([]events.Any, 25)
		for i := range batch {
			batch[i] = numbered("work.done", i)
		}
		began := time.Now()
		must(t, d.Publish(t.Context(), batch...))
		if took := time.Since(began); took != 15*time.Millisecond {
			t.Errorf("25 events took %v, want the 15ms of requests side by side", took)
		}
		if n := d.requests(); n != 3 {
			t.Errorf("25 events took %d requests, want 3", n)
		}
	})
}

func TestRequestsKeepTheLimitOfOneMebibyte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		batch := make([]events.Any, 10)
		for i := range batch {
			batch[i] = bulky(300 << 10)
		}
		must(t, d.Publish(t.Context(), batch...)) // the server refuses a longer request
		if n := d.requests(); n != 4 {
			t.Errorf("10 events of 300 KiB took %d requests, want 4", n)
		}
	})
}

func TestPublishAsyncFillsRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(slow(15 * time.Millisecond))
		var all []*sqs.Pending
		for i := range 1000 {
			all = append(all, d.PublishAsync(t.Context(), numbered("work.done", i)))
		}
		ids := map[string]bool{}
		for _, p := range all {
			sent, err := p.Await(t.Context())
			must(t, err)
			if sent.To != standard || sent.MessageID == "" || ids[sent.MessageID] {
				t.Fatalf("answer %+v is not this event's own", sent)
			}
			ids[sent.MessageID] = true
		}
		if n := d.requests(); n > 105 { // the first ones leave while nobody else is in sight
			t.Errorf("1000 events took %d requests, want 100, and a few for a start", n)
		}
	})
}

package sqs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestFailedEntriesOfADeleteBatchAreSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
			seen.add(n)
			return nil
		})}})
		must(t, r.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "DeleteMessageBatch", Probability: 0.3}))
		r.sendEvents(500)
		r.start()
		r.empty()
		seen.onceEach(t, 500)
		failed := r.srv.Faulted("partial-batch")
		if failed < 50 {
			t.Errorf("only %d entries failed, the test wants more", failed)
		}
		// What failed shares its next request with others: about as many as without failures, and a few that end unfilled.
		if got, fair := int(r.stats().Requests.DeleteBatch), (500+failed)/10; got > fair+fair/5 {
			t.Errorf("%d delete requests for 500 messages and %d failures, want about %d", got, failed, fair)
		}
	})
}

func TestAHandledMessageWhoseDeleteFailedIsDeletedOnRedelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
			seen.add(n)
			return nil
		})}})
		must(t, r.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.ServerError, Action: "DeleteMessageBatch"}))
		r.sendEvents(20)
		r.start()
		r.eventually("the deletes given up", func() bool { return r.stats().SettleFailed == 20 })
		must(t, r.srv.SetFaults())
		r.empty()
		seen.onceEach(t, 20)
		if s := r.stats(); s.Duplicates != 20 {
			t.Errorf("%d redeliveries deleted without a run, want 20", s.Duplicates)
		}
	})
}

// The stop of a process must not cut the deletes of what it has handled.
func TestDeletesSurviveTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error { return nil })}})
		must(t, r.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.Slow, Action: "DeleteMessageBatch", Latency: sqslocal.Latency{P50: time.Second}}))
		r.sendEvents(25)
		r.start()
		r.eventually("all handled", func() bool { return r.stats().Acked == 25 })
		must(t, r.stop())
		if left := r.depth(r.queue); left != 0 {
			t.Errorf("%d handled messages were not deleted", left)
		}
	})
}

func TestRetriesTravelInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen count
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(_ context.Context, n int) error {
			if seen.add(n) == 1 {
				return errors.New("once")
			}
			return nil
		})}})
		r.sendEvents(100)
		r.start()
		r.empty()
		if got := r.srv.Calls("ChangeMessageVisibilityBatch"); got > 20 {
			t.Errorf("100 retries took %d requests, want at most 20", got)
		}
		if got := r.stats().Retried; got != 100 {
			t.Errorf("%d retries counted, want 100", got)
		}
	})
}

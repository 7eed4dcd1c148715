package sqslocal_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestALongPollWakesAtTheVeryMoment(t *testing.T) {
	for name, change := range map[string]func(*bench, string, types.Message){
		"arrival": func(b *bench, url string, _ types.Message) { b.send(url, "new") },
		"release": func(b *bench, url string, m types.Message) { b.must(b.hide(url, m, 0)) },
		"expiry":  func(b *bench, url string, m types.Message) { b.must(b.hide(url, m, 3)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := inProcess(t, sqslocal.Config{})
				url := b.queue("q", nil)
				b.send(url, "old")
				m := b.one(url, 0)
				start := time.Now()
				answer := b.background(t.Context(), url, 20)
				sleep(7 * time.Second)
				change(b, url, m)
				r := <-answer
				b.must(r.err)
				want := 7 * time.Second
				if name == "expiry" {
					want += 3 * time.Second
				}
				if took := time.Since(start); len(r.messages) != 1 || took != want {
					t.Errorf("%d messages after %v, want 1 after %v", len(r.messages), took, want)
				}
			})
		})
	}
}

func TestALongPollEndsEmptyAfterItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		start := time.Now()
		b.none(url, 20)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestACancelledPollTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled, waiting := b.background(ctx, url, 20), b.background(t.Context(), url, 20)
		synctest.Wait()
		if s := b.state("q"); s.Polls != 2 {
			t.Fatalf("%+v", s)
		}
		cancel()
		if r := <-cancelled; r.err == nil {
			t.Error("no error")
		}
		b.send(url, "x")
		if r := <-waiting; len(r.messages) != 1 {
			t.Errorf("the other poll: %+v", r)
		}
		if n := b.srv.Journal().Count("q", sqslocal.Received); n != 1 {
			t.Errorf("received %d times", n)
		}
	})
}

func TestCloseEndsPollsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		b.send(url, "later", func(in *awssqs.SendMessageInput) { in.DelaySeconds = 900 }) // sets an alarm
		answer := b.background(t.Context(), url, 20)
		synctest.Wait()
		start := time.Now()
		b.must(b.srv.Close())
		r := <-answer
		if r.err != nil || len(r.messages) != 0 || time.Since(start) != 0 {
			t.Errorf("%+v after %v", r, time.Since(start))
		}
		if _, err := b.client.ListQueues(t.Context(), &awssqs.ListQueuesInput{}); err == nil {
			t.Error("a closed server answers")
		}
	})
}

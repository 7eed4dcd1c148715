package sqslocal_test

import (
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestRetentionTakesMessagesInEveryState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", map[string]string{"MessageRetentionPeriod": "1209600", "VisibilityTimeout": "43200"})
		b.send(url, "in flight")
		b.send(url, "visible")
		sleep(14*24*time.Hour - time.Second)
		b.must(b.hide(url, b.receive(url, 0)[0], 100))
		sleep(time.Second - time.Nanosecond)
		if s := b.state("q"); s.InFlight != 2 {
			t.Fatalf("before: %+v", s)
		}
		sleep(time.Nanosecond)
		if s := b.state("q"); s != (sqslocal.QueueState{}) {
			t.Errorf("after: %+v", s)
		}
		if n := b.srv.Journal().Count("q", sqslocal.Expired); n != 2 {
			t.Errorf("journal has %d expired", n)
		}
	})
}

func TestShorterRetentionExpiresWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		b.send(url, "old")
		sleep(2 * time.Minute)
		b.send(url, "new")
		_, err := b.client.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"MessageRetentionPeriod": "60"}})
		b.must(err)
		if m := b.one(url, 0); *m.Body != "new" {
			t.Errorf("received %s", *m.Body)
		}
	})
}

func TestDelaysEndToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", map[string]string{"DelaySeconds": "900"})
		b.send(url, "queue's")
		b.send(url, "own", func(in *awssqs.SendMessageInput) { in.DelaySeconds = 60 })
		if s := b.state("q"); s.Delayed != 2 {
			t.Fatalf("%+v", s)
		}
		sleep(59 * time.Second)
		start := time.Now()
		m := b.one(url, 20)
		if *m.Body != "own" || time.Since(start) != time.Second {
			t.Errorf("%s after %v", *m.Body, time.Since(start))
		}
		b.must(b.remove(url, m))
		sleep(14*time.Minute - 10*time.Second)
		if m := b.one(url, 20); *m.Body != "queue's" {
			t.Errorf("%s", *m.Body)
		}
	})
}

func TestCooldowns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		purge := func() error {
			_, err := b.client.PurgeQueue(t.Context(), &awssqs.PurgeQueueInput{QueueUrl: &url})
			return err
		}
		b.must(purge())
		sleep(59 * time.Second)
		if err := purge(); code(err) != "AWS.SimpleQueueService.PurgeQueueInProgress" {
			t.Error(err)
		}
		sleep(time.Second)
		b.must(purge())
		_, err := b.client.DeleteQueue(t.Context(), &awssqs.DeleteQueueInput{QueueUrl: &url})
		b.must(err)
		sleep(59 * time.Second)
		if _, err := b.srv.CreateQueue("q", nil); err == nil {
			t.Error("created again within a minute")
		}
		sleep(time.Second)
		b.queue("q", nil)
	})
}

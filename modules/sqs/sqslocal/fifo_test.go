package sqslocal_test

import (
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestFIFODelayChangesApplyToWaitingMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q.fifo", map[string]string{"DelaySeconds": "600", "ContentBasedDeduplication": "true"})
		b.send(url, "1", group("g"))
		b.send(url, "2", group("g"))
		_, err := b.client.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "0"}})
		b.must(err)
		if got := b.receive(url, 0); len(got) != 2 || *got[0].Body != "1" {
			t.Errorf("received %d", len(got))
		}
	})
}

func TestDeduplicationLastsFiveMinutesFromTheFirstSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q.fifo", map[string]string{"ContentBasedDeduplication": "true"})
		first := b.send(url, "x", group("g"))
		b.must(b.remove(url, b.one(url, 0)))
		sleep(5*time.Minute - time.Nanosecond)
		if again := b.send(url, "x", group("g")); again != first {
			t.Error("sent again within the window")
		}
		sleep(time.Nanosecond)
		if again := b.send(url, "x", group("g")); again == first {
			t.Error("a duplicate extended the window")
		}
		if n := b.srv.Journal().Count("q.fifo", sqslocal.Deduplicated); n != 1 {
			t.Errorf("journal has %d deduplicated", n)
		}
	})
}

func TestAnAttemptRepeatsAndRenewsItsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q.fifo", map[string]string{"ContentBasedDeduplication": "true", "VisibilityTimeout": "60"})
		b.send(url, "1", group("g"))
		b.send(url, "2", group("g"))
		receive := func(attempt string) ([]types.Message, error) {
			out, err := b.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
				QueueUrl: &url, MaxNumberOfMessages: 10, ReceiveRequestAttemptId: &attempt,
			})
			if err != nil {
				return nil, err
			}
			return out.Messages, nil
		}
		first, err := receive("a")
		b.must(err)
		sleep(50 * time.Second)
		second, err := receive("a")
		b.must(err)
		if len(second) != 2 || *second[0].ReceiptHandle != *first[0].ReceiptHandle {
			t.Fatalf("second: %v", second)
		}
		sleep(50 * time.Second) // beyond the first timeout, within the renewed one
		b.none(url, 0)
		b.must(b.remove(url, first[0]))
		if _, err := receive("a"); code(err) != "InvalidParameterValue" {
			t.Errorf("a changed attempt: %v", err)
		}
		sleep(10 * time.Second)
		if third, err := receive("b"); err != nil || len(third) != 1 {
			t.Errorf("after the timeout: %v %v", third, err)
		}
	})
}

func TestAQuietTenantPassesANoisyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		for range 60 {
			b.send(url, "noise", group("noisy"))
		}
		b.send(url, "quiet", group("calm"))
		b.send(url, "quiet")
		for range 3 { // the noisy tenant comes to thirty in flight
			if got := b.receive(url, 0); len(got) != 10 || *got[9].Body != "noise" {
				t.Fatalf("received %d", len(got))
			}
		}
		got := b.receive(url, 0)
		if *got[0].Body != "quiet" || *got[1].Body != "quiet" || *got[2].Body != "noise" {
			t.Errorf("received %s, %s, %s", *got[0].Body, *got[1].Body, *got[2].Body)
		}
	})
}

func TestFIFORedeliveryKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q.fifo", map[string]string{"ContentBasedDeduplication": "true"})
		for _, body := range []string{"0", "1", "2", "3"} {
			b.send(url, body, group("g"))
		}
		got := b.receive(url, 0)
		b.send(url, "4", group("g"))
		for _, i := range []int{2, 0, 3, 1} {
			b.must(b.hide(url, got[i], 0))
		}
		for i, m := range b.receive(url, 0) {
			if *m.Body != string(rune('0'+i)) {
				t.Errorf("message %d is %s", i, *m.Body)
			}
		}
	})
}

func TestFIFOHandlesDieWithTheirVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q.fifo", map[string]string{"ContentBasedDeduplication": "true"})
		b.send(url, "x", group("g"))
		m := b.one(url, 0)
		sleep(30 * time.Second)
		if err := b.remove(url, m); code(err) != "InvalidParameterValue" {
			t.Errorf("deleted with a dead handle: %v", err)
		}
		b.one(url, 0)
	})
}

func TestFIFODeadLettersStartANewRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		b.queue("dead.fifo", map[string]string{"MessageRetentionPeriod": "3600"})
		url := b.queue("q.fifo", map[string]string{
			"ContentBasedDeduplication": "true", "VisibilityTimeout": "1800",
			"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","maxReceiveCount":1}`,
		})
		b.send(url, "x", group("g"))
		b.one(url, 0)
		sleep(30 * time.Minute)
		b.none(url, 0)
		sleep(time.Hour - time.Second)
		if s := b.state("dead.fifo"); s.Visible != 1 {
			t.Errorf("expired by the age of its first sending: %+v", s)
		}
		sleep(time.Second)
		if s := b.state("dead.fifo"); s.Visible != 0 {
			t.Errorf("not expired: %+v", s)
		}
	})
}

package sqslocal_test

import (
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// sleep lets virtual time pass.
func TestVisibilityLastsToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", map[string]string{"VisibilityTimeout": "43200"})
		b.send(url, "x")
		b.one(url, 0)
		sleep(12*time.Hour - time.Nanosecond)
		b.none(url, 0)
		sleep(time.Nanosecond)
		if m := b.one(url, 0); m.Attributes["ApproximateReceiveCount"] != "2" {
			t.Errorf("count %s", m.Attributes["ApproximateReceiveCount"])
		}
	})
}

func TestVisibilityEndsTwelveHoursAfterTheReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		b.send(url, "x")
		m := b.one(url, 0)
		for range 12 { // a heartbeat an hour
			b.must(b.hide(url, m, 3600))
			sleep(time.Hour - time.Second)
		}
		if err := b.hide(url, m, 13); code(err) != "InvalidParameterValue" {
			t.Errorf("12 s before the cap, 13 s more: %v", err)
		}
		b.must(b.hide(url, m, 12))
		b.one(url, 20)
	})
}

func TestInFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{JournalSize: -1})
		url := b.queue("q", map[string]string{"VisibilityTimeout": "3600"})
		raw := b.raw(url)
		raw.sendN(120_001, "x")
		for n := 0; n < 120_000; {
			got := raw.receive()
			if got == 0 {
				t.Fatalf("ran dry at %d", n)
			}
			n += got
		}
		_, err := b.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url})
		if code(err) != "OverLimit" {
			t.Errorf("short poll: %v", err)
		}
		b.none(url, 1)
	})
}

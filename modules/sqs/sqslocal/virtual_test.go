package sqslocal_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// sleep lets virtual time pass.
func sleep(d time.Duration) { <-time.After(d) }

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

func TestDeadLettersKeepTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		b.queue("dead", map[string]string{"MessageRetentionPeriod": "3600"})
		url := b.queue("q", map[string]string{"VisibilityTimeout": "1800", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}`})
		id := b.send(url, "x")
		b.one(url, 0)
		sleep(30 * time.Minute)
		b.none(url, 0)
		if s := b.state("dead"); s.Visible != 1 {
			t.Fatalf("not moved: %+v", s)
		}
		sleep(30 * time.Minute)
		if s := b.state("dead"); s.Visible != 0 {
			t.Error("retention started anew in the dead-letter queue")
		}
		var story []sqslocal.Happening
		for _, e := range b.srv.Journal().Of(id) {
			story = append(story, e.What)
		}
		if fmt.Sprint(story) != "[sent received reappeared dead-lettered expired]" {
			t.Errorf("journal: %v", story)
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

func TestMoveTasksKeepTheirRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		dead := b.queue("dead", nil)
		b.queue("q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}`})
		b.queue("other", nil)
		b.sendN(dead, 100)
		_, err := b.client.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{
			SourceArn: aws.String("arn:aws:sqs:us-east-1:000000000000:dead"), DestinationArn: aws.String("arn:aws:sqs:us-east-1:000000000000:other"),
			MaxNumberOfMessagesPerSecond: aws.Int32(10),
		})
		b.must(err)
		sleep(5*time.Second + 50*time.Millisecond)
		if n := b.state("other").Visible; n < 50 || n > 52 {
			t.Errorf("%d moved in 5 s at 10/s", n)
		}
		sleep(6 * time.Second)
		if n := b.state("other").Visible; n != 100 {
			t.Errorf("%d moved at the end", n)
		}
	})
}

func TestMessagesSentToADeadLetterQueueHaveNoWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		dead := b.queue("dead", nil)
		b.queue("q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}`})
		b.send(dead, "x")
		source := aws.String("arn:aws:sqs:us-east-1:000000000000:dead")
		_, err := b.client.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{SourceArn: source})
		b.must(err)
		synctest.Wait()
		out, err := b.client.ListMessageMoveTasks(t.Context(), &awssqs.ListMessageMoveTasksInput{SourceArn: source})
		b.must(err)
		if task := out.Results[0]; *task.Status != "FAILED" || *task.FailureReason != "CouldNotDetermineMessageSource" {
			t.Errorf("task %s: %s", *task.Status, aws.ToString(task.FailureReason))
		}
		if s := b.state("dead"); s.Visible != 1 {
			t.Errorf("the message is lost: %+v", s)
		}
	})
}

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

func TestAQuietTenantPassesABusyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		for range 50 {
			b.send(url, "noise", group("busy"))
		}
		b.send(url, "quiet", group("calm"))
		for i := range 2 {
			for _, m := range b.receive(url, 0) {
				if *m.Body == "quiet" {
					return
				}
			}
			if i == 1 {
				t.Error("the quiet tenant waits behind the busy one")
			}
		}
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

package sqslocal_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

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

package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap/zaptest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// endpoint is a client that speaks HTTP to sqslocal, or to whatever AWS_ENDPOINT_URL_SQS names.
func endpoint(t *testing.T) *awssqs.Client {
	t.Helper()
	if os.Getenv("AWS_ENDPOINT_URL_SQS") != "" {
		transport := &http.Transport{MaxIdleConnsPerHost: 32}
		t.Cleanup(transport.CloseIdleConnections)
		client, err := sqs.NewClient(t.Context(), func(o *awssqs.Options) { o.HTTPClient = &http.Client{Transport: transport} })
		must(t, err)
		return client
	}
	srv, err := sqslocal.Start(sqslocal.Config{})
	must(t, err)
	t.Cleanup(func() { must(t, srv.Close()) })
	return srv.Client(sqs.ForPollers)
}

// newQueue makes a queue of its own for a test, with a dead-letter queue behind it.
func newQueue(t *testing.T, client *awssqs.Client, suffix string) (name, url, dead string) {
	t.Helper()
	name = fmt.Sprintf("test-%d%s", time.Now().UnixNano(), suffix)
	create := func(name string, attributes map[string]string) string {
		if suffix != "" {
			attributes["FifoQueue"] = "true"
		}
		out, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
		must(t, err)
		return aws.ToString(out.QueueUrl)
	}
	dead = create(deadOf(name), map[string]string{})
	arn, err := client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: aws.String(dead), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	must(t, err)
	url = create(name, map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":5}`, arn.Attributes["QueueArn"]),
	})
	return name, url, dead
}

// service is a consumer and a publisher of one queue.
func service(t *testing.T, client *awssqs.Client, q sqs.Queue, listeners ...events.Listener) (*sqs.Consumer, *sqs.Publisher) {
	t.Helper()
	pool, err := goroutine.NewPool(goroutine.Config{})
	must(t, err)
	must(t, pool.Start(t.Context()))
	t.Cleanup(func() { must(t, pool.Stop(context.Background())) })
	bus, err := events.NewBus(events.Config{}, pool, listeners)
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	q.WaitTime = time.Second // the stop waits for the poll in flight
	cfg := sqs.Config{Queues: []sqs.Queue{q}}
	log := sqs.WithLogger(zaptest.NewLogger(t))
	publisher, err := sqs.NewPublisher(cfg, client, log)
	must(t, err)
	t.Cleanup(func() { must(t, publisher.Stop(context.Background())) })
	consumer, err := sqs.NewConsumer(cfg, client, pool, bus, decoder, log)
	must(t, err)
	must(t, consumer.Start(t.Context()))
	t.Cleanup(func() { must(t, consumer.Stop(context.Background())) })
	return consumer, publisher
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("waited 30s for %s", what)
		}
	}
}

var workDone = events.NewTopic[payload]("work.done")

func TestOverHTTPPublishedEventsAreHandledRetriedAndDeadLettered(t *testing.T) {
	t.Parallel()
	client := endpoint(t)
	name, url, dead := newQueue(t, client, "")
	var seen count
	consumer, publisher := service(t, client, sqs.Queue{Name: name, Retry: sqs.Backoff{Min: -1}},
		workDone.Listener("worker", func(_ context.Context, e events.Event[payload]) error {
			switch runs := seen.add(e.Data.N); {
			case e.Data.N%50 == 7 && runs == 1:
				return errors.New("once")
			case e.Data.N%50 == 9:
				return events.Permanent(errors.New("never"))
			}
			return nil
		}))

	var group sync.WaitGroup
	for from := range 10 {
		group.Go(func() {
			for n := from * 30; n < (from+1)*30; n++ {
				if err := publisher.Publish(t.Context(), workDone.New(payload{N: n})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	stats := func() sqs.QueueStats { return consumer.Stats().Queues[0] }
	until(t, "300 messages settled", func() bool { return stats().Acked == 300 && stats().Unsettled == 0 })

	for n := range 300 {
		want := 1
		if n%50 == 7 {
			want = 2
		}
		if got := seen.of(n); got != want {
			t.Errorf("event %d ran %d times, want %d", n, got, want)
		}
	}
	if got := visible(t, client, url); got != "0" {
		t.Errorf("%s messages are left", got)
	}
	if got := visible(t, client, dead); got != "6" {
		t.Errorf("%s dead letters, want 6", got)
	}
}

func TestOverHTTPFIFOGroupsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	client := endpoint(t)
	name, url, _ := newQueue(t, client, ".fifo")
	done := newSteps()
	consumer, _ := service(t, client, sqs.Queue{Name: name}, done.listener(func(step) error { return nil }))
	for n := range 8 {
		for g := range 5 {
			_, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{
				QueueUrl: aws.String(url), MessageGroupId: aws.String(fmt.Sprint(g)), MessageDeduplicationId: aws.String(fmt.Sprint(g, "-", n)),
				MessageBody: aws.String(fmt.Sprintf(`{"event":"step","group":"%d","n":%d}`, g, n)),
			})
			must(t, err)
		}
	}
	until(t, "40 messages settled", func() bool {
		s := consumer.Stats().Queues[0]
		return s.Acked == 40 && s.Unsettled == 0
	})
	done.check(t, 5, 8)
}

func TestOverHTTPALongListenerKeepsItsMessage(t *testing.T) {
	t.Parallel()
	client := endpoint(t)
	name, _, _ := newQueue(t, client, "")
	var seen count
	consumer, publisher := service(t, client, sqs.Queue{Name: name, Visibility: 2 * time.Second},
		workDone.Listener("worker", func(ctx context.Context, e events.Event[payload]) error {
			seen.add(e.Data.N)
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
			}
			return ctx.Err()
		}))
	must(t, publisher.Publish(t.Context(), workDone.New(payload{N: 0}), workDone.New(payload{N: 1})))
	until(t, "both settled", func() bool { return consumer.Stats().Queues[0].Deleted == 2 })
	seen.onceEach(t, 2)
	if order := seen.order(); !slices.Contains(order, 0) || !slices.Contains(order, 1) {
		t.Errorf("ran %v", order)
	}
}

func visible(t *testing.T, client *awssqs.Client, url string) string {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	must(t, err)
	return out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)]
}

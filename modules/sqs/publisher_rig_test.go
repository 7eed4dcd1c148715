package sqs_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

const (
	standard = "out"
	fifo     = "out.fifo"
)

// desk is a publisher with an SQS of its own, without sockets. Events named fifo.* go to the FIFO queue,
// all others to the standard one.
type desk struct {
	*sqs.Publisher
	t      testing.TB
	srv    *sqslocal.Server
	client *awssqs.Client
}

// newDesk stops the publisher and the server with the test. The SDK's own retries are off.
func newDesk(t testing.TB, cfg sqs.Config, opts ...sqs.Option) *desk {
	t.Helper()
	srv, err := sqslocal.New(sqslocal.Config{Seed: 1})
	must(t, err)
	t.Cleanup(func() { must(t, srv.Close()) })
	for _, queue := range []string{standard, fifo} {
		_, err = srv.CreateQueue(queue, nil)
		must(t, err)
	}
	if cfg.Publish == nil {
		cfg.Publish = []sqs.Route{{Pattern: "fifo.**", Queue: fifo}, {Pattern: "**", Queue: standard}}
	}
	d := &desk{t: t, srv: srv, client: srv.Client()}
	d.Publisher, err = sqs.NewPublisher(cfg, d.client, opts...)
	must(t, err)
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Errorf("stopping the publisher: %v", err)
		}
	})
	return d
}

func (d *desk) faults(all ...sqslocal.Fault) {
	d.t.Helper()
	must(d.t, d.srv.SetFaults(all...))
}

// slow lets every send take so long.
func slow(latency time.Duration) sqslocal.Fault {
	return sqslocal.Fault{Effect: sqslocal.Slow, Action: "SendMessageBatch", Latency: sqslocal.Latency{P50: latency}}
}

func (d *desk) requests() int { return d.srv.Calls("SendMessageBatch") }

// receive takes every message out of a queue, in the order in which SQS hands them out.
func (d *desk) receive(queue string) []types.Message {
	d.t.Helper()
	d.faults()
	url := aws.String(d.srv.URL() + "/000000000000/" + queue)
	var all []types.Message
	for {
		out, err := d.client.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{
			QueueUrl: url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		must(d.t, err)
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			_, err := d.client.DeleteMessage(context.Background(), &awssqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
			must(d.t, err)
		}
		all = append(all, out.Messages...)
	}
}

// one is the only message of a queue.
func (d *desk) one(queue string) types.Message {
	d.t.Helper()
	all := d.receive(queue)
	if len(all) != 1 {
		d.t.Fatalf("the queue has %d messages, want 1", len(all))
	}
	return all[0]
}

// numbers reads the payloads of numbered events.
func numbers(t testing.TB, messages []types.Message) []int {
	t.Helper()
	all := make([]int, len(messages))
	for i, m := range messages {
		var body struct{ Data payload }
		must(t, json.Unmarshal([]byte(aws.ToString(m.Body)), &body))
		all[i] = body.Data.N
	}
	return all
}

func numbered(name string, n int, opts ...events.EventOption) events.Any {
	return events.NewTopic[payload](name).New(payload{N: n}, opts...)
}

// bulky is an event whose message has about the given size.
func bulky(size int, opts ...events.EventOption) events.Any {
	return events.NewTopic[string]("bulk.sent").New(strings.Repeat("x", size), opts...)
}

func attribute(m types.Message, name string) string {
	return aws.ToString(m.MessageAttributes[name].StringValue)
}

func system(m types.Message, name types.MessageSystemAttributeName) string {
	return m.Attributes[string(name)]
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

package sqslocal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a server with one client, for tests that read as a story.
type bench struct {
	t      testing.TB
	srv    *sqslocal.Server
	client *awssqs.Client
}

// inProcess returns a server without sockets, for use inside a synctest bubble.
func inProcess(t testing.TB, cfg sqslocal.Config) *bench {
	t.Helper()
	srv, err := sqslocal.New(cfg)
	return ready(t, srv, err)
}

// overHTTP returns a server on a port of its own.
func overHTTP(t testing.TB, cfg sqslocal.Config) *bench {
	t.Helper()
	srv, err := sqslocal.Start(cfg)
	return ready(t, srv, err)
}

func ready(t testing.TB, srv *sqslocal.Server, err error) *bench {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{t, srv, srv.Client()}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) queue(name string, attributes map[string]string) string {
	b.t.Helper()
	url, err := b.srv.CreateQueue(name, attributes)
	b.must(err)
	return url
}

func (b *bench) send(url, body string, options ...func(*awssqs.SendMessageInput)) string {
	b.t.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, o := range options {
		o(in)
	}
	out, err := b.client.SendMessage(b.t.Context(), in)
	b.must(err)
	return *out.MessageId
}

func group(id string) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.MessageGroupId, in.MessageDeduplicationId = &id, nil }
}

// sendN sends n messages named after their number, in tens.
func (b *bench) sendN(url string, n int) {
	b.t.Helper()
	for i := 0; i < n; i += 10 {
		var entries []types.SendMessageBatchRequestEntry
		for j := i; j < min(i+10, n); j++ {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(j)), MessageBody: aws.String(fmt.Sprint(j))})
		}
		out, err := b.client.SendMessageBatch(b.t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
		b.must(err)
		if len(out.Failed) > 0 {
			b.t.Fatalf("%d entries failed: %s", len(out.Failed), *out.Failed[0].Message)
		}
	}
}

// receive takes up to ten messages, waiting up to seconds.
func (b *bench) receive(url string, seconds int32) []types.Message {
	b.t.Helper()
	out, err := b.client.ReceiveMessage(b.t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: seconds,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	b.must(err)
	return out.Messages
}

func (b *bench) one(url string, seconds int32) types.Message {
	b.t.Helper()
	got := b.receive(url, seconds)
	if len(got) != 1 {
		b.t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

func (b *bench) none(url string, seconds int32) {
	b.t.Helper()
	if got := b.receive(url, seconds); len(got) != 0 {
		b.t.Fatalf("received %d messages, want none: %s", len(got), *got[0].Body)
	}
}

func (b *bench) hide(url string, m types.Message, seconds int32) error {
	_, err := b.client.ChangeMessageVisibility(b.t.Context(), &awssqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

func (b *bench) remove(url string, m types.Message) error {
	_, err := b.client.DeleteMessage(b.t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (b *bench) state(name string) sqslocal.QueueState {
	b.t.Helper()
	s, ok := b.srv.Queue(name)
	if !ok {
		b.t.Fatalf("no queue %s", name)
	}
	return s
}

// code is the API's code of an error.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// background runs a receive of seconds and returns its answer.
func (b *bench) background(ctx context.Context, url string, seconds int32) <-chan result {
	out := make(chan result, 1)
	go func() {
		got, err := b.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: seconds, MaxNumberOfMessages: 1})
		r := result{err: err}
		if err == nil {
			r.messages = got.Messages
		}
		out <- r
	}()
	return out
}

type result struct {
	messages []types.Message
	err      error
}

func sleep(d time.Duration) { <-time.After(d) }

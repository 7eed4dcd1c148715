package rig

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"gocloud.dev/pubsub"
	"gocloud.dev/pubsub/awssnssqs"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

// fxpondSender is ours in its default configuration.
type fxpondSender struct {
	app       *fx.App
	publisher *sqs.Publisher
}

func (s *fxpondSender) open(ctx context.Context, _ job) error {
	s.app = fx.New(
		goroutine.Module, events.Module, sqs.Module,
		fx.Supply(sqs.Config{Publish: []sqs.Route{{Pattern: numbered.Name(), Queue: queueName}}}),
		fx.Provide(newMeters),
		fx.Populate(&s.publisher),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	)
	return s.app.Start(ctx)
}

func (s *fxpondSender) send(ctx context.Context, n Number) error {
	return s.publisher.Publish(ctx, numbered.New(n))
}

func (s *fxpondSender) close(ctx context.Context) error { return s.app.Stop(ctx) }

// singleSender makes one request for each message.
type singleSender struct {
	client *awssqs.Client
	url    string
}

func (s *singleSender) open(ctx context.Context, j job) (err error) {
	s.url = j.URL
	s.client, err = newClient(ctx, manyConnections)
	return err
}

func (s *singleSender) send(ctx context.Context, n Number) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = s.client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &s.url, MessageBody: aws.String(string(raw))})
	return err
}

func (*singleSender) close(context.Context) error { return nil }

// goCloudSender is a topic of go-cloud's as its documentation opens one. It batches by itself.
type goCloudSender struct{ topic *pubsub.Topic }

func (s *goCloudSender) open(ctx context.Context, j job) error {
	client, err := newClient(ctx, manyConnections)
	if err != nil {
		return err
	}
	s.topic = awssnssqs.OpenSQSTopic(context.WithoutCancel(ctx), client, j.URL, nil)
	return nil
}

func (s *goCloudSender) send(ctx context.Context, n Number) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return s.topic.Send(ctx, &pubsub.Message{Body: raw})
}

func (s *goCloudSender) close(ctx context.Context) error { return s.topic.Shutdown(ctx) }

// batchLinger is how long the batcher by hand lets a message wait for others.
const batchLinger = 5 * time.Millisecond

// batchSender is the batcher that a good engineer writes: ten messages or a flush timer, each caller its own answer,
// failed entries tried again.
type batchSender struct {
	client  *awssqs.Client
	url     string
	entries chan parcel
	flusher sync.WaitGroup
	sends   sync.WaitGroup
}

type parcel struct {
	body   string
	answer chan error
}

func (s *batchSender) open(ctx context.Context, j job) (err error) {
	s.url, s.entries = j.URL, make(chan parcel)
	if s.client, err = newClient(ctx, manyConnections); err != nil {
		return err
	}
	s.flusher.Go(func() { s.flush(context.WithoutCancel(ctx)) })
	return nil
}

func (s *batchSender) send(_ context.Context, n Number) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	p := parcel{string(raw), make(chan error, 1)}
	s.entries <- p
	return <-p.answer
}

func (s *batchSender) flush(ctx context.Context) {
	var batch []parcel
	launch := func() {
		if len(batch) > 0 {
			full := batch
			s.sends.Go(func() { s.deliver(ctx, full) })
			batch = nil
		}
	}
	timer := time.NewTimer(batchLinger)
	defer timer.Stop()
	for {
		select {
		case p, open := <-s.entries:
			if !open {
				launch()
				return
			}
			if len(batch) == 0 {
				timer.Reset(batchLinger)
			}
			if batch = append(batch, p); len(batch) == 10 {
				launch()
			}
		case <-timer.C:
			launch()
		}
	}
}

func (s *batchSender) deliver(ctx context.Context, batch []parcel) {
	for try := 1; ; try++ {
		in := &awssqs.SendMessageBatchInput{QueueUrl: &s.url, Entries: make([]types.SendMessageBatchRequestEntry, len(batch))}
		for i, p := range batch {
			in.Entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(p.body)}
		}
		out, err := s.client.SendMessageBatch(ctx, in)
		if err != nil {
			for _, p := range batch {
				p.answer <- err
			}
			return
		}
		failed := map[int]error{}
		for _, f := range out.Failed {
			if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil {
				failed[i] = &entryError{aws.ToString(f.Code)}
			}
		}
		var again []parcel
		for i, p := range batch {
			switch err := failed[i]; {
			case err != nil && try < strongTries:
				again = append(again, p)
			default:
				p.answer <- err
			}
		}
		if batch = again; len(batch) == 0 {
			return
		}
		pause(ctx, errorPause)
	}
}

func (s *batchSender) close(context.Context) error {
	close(s.entries)
	s.flusher.Wait()
	s.sends.Wait()
	return nil
}

// entryError is the code of an entry that SQS refused.
type entryError struct{ code string }

func (e *entryError) Error() string { return "entry refused: " + e.code }

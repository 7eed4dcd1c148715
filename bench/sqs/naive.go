package rig

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// longPoll is what the documentation of SQS recommends.
const longPoll = 20

// errorPause is how long the hand-written loops wait after a failed receive.
const errorPause = 100 * time.Millisecond

// naiveLoop is the loop of the SDK's examples: receive ten, handle and delete them one by one.
type naiveLoop struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (l *naiveLoop) start(ctx context.Context, j job, w *work) error {
	client, err := newClient(ctx)
	if err != nil {
		return err
	}
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.done.Go(func() {
		for ctx.Err() == nil {
			out, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
				QueueUrl: &j.URL, MaxNumberOfMessages: 10, WaitTimeSeconds: longPoll,
			})
			if err != nil {
				pause(ctx, errorPause)
				continue
			}
			for _, m := range out.Messages {
				if w.body(ctx, []byte(aws.ToString(m.Body))) != nil {
					continue // it comes back
				}
				_, _ = client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &j.URL, ReceiptHandle: m.ReceiptHandle})
			}
		}
	})
	return nil
}

func (l *naiveLoop) stop(context.Context) error {
	l.cancel()
	l.done.Wait()
	return nil
}

func (*naiveLoop) gaveUp() error { return nil }

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

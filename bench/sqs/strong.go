package rig

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// What a good engineer would write down after a day of tuning.
const (
	strongPollers = 8
	strongWorkers = 64
	strongLinger  = 50 * time.Millisecond
	strongTries   = 3
)

// strongLoop is a hand-written consumer: fixed pollers feed a pool of workers, deletes leave in batches of ten or
// after a flush timer, and are tried again when they fail. Its stop ends the polls, lets the workers finish what was
// received, and flushes. It renews no lease.
type strongLoop struct {
	client *awssqs.Client
	url    string

	cancel  context.CancelFunc
	pollers sync.WaitGroup
	workers sync.WaitGroup
	flusher sync.WaitGroup
	deletes sync.WaitGroup
	work    chan types.Message
	acks    chan *string
}

func (l *strongLoop) start(ctx context.Context, j job, w *work) error {
	var err error
	if l.client, err = newClient(ctx, manyConnections); err != nil {
		return err
	}
	l.url, l.work, l.acks = j.URL, make(chan types.Message), make(chan *string, 10)
	ctx = context.WithoutCancel(ctx)
	polling, cancel := context.WithCancel(ctx)
	l.cancel = cancel
	for range strongPollers {
		l.pollers.Go(func() { l.poll(polling) })
	}
	workers := strongWorkers
	if j.Concurrency > 0 {
		workers = j.Concurrency
	}
	for range workers {
		l.workers.Go(func() {
			for m := range l.work {
				if w.body(ctx, []byte(aws.ToString(m.Body))) == nil {
					l.acks <- m.ReceiptHandle
				}
			}
		})
	}
	l.flusher.Go(func() { l.flush(ctx) })
	return nil
}

func (l *strongLoop) poll(ctx context.Context) {
	for ctx.Err() == nil {
		out, err := l.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl: &l.url, MaxNumberOfMessages: 10, WaitTimeSeconds: longPoll, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		})
		if err != nil {
			pause(ctx, errorPause)
			continue
		}
		for _, m := range out.Messages {
			l.work <- m
		}
	}
}

// flush gathers receipt handles until acks is closed.
func (l *strongLoop) flush(ctx context.Context) {
	var batch []*string
	send := func() {
		if len(batch) > 0 {
			full := batch
			l.deletes.Go(func() { l.delete(ctx, full) })
			batch = nil
		}
	}
	timer := time.NewTimer(strongLinger)
	defer timer.Stop()
	for {
		select {
		case handle, open := <-l.acks:
			if !open {
				send()
				return
			}
			if len(batch) == 0 {
				timer.Reset(strongLinger)
			}
			if batch = append(batch, handle); len(batch) == 10 {
				send()
			}
		case <-timer.C:
			send()
		}
	}
}

func (l *strongLoop) delete(ctx context.Context, handles []*string) {
	for try := 0; try < strongTries && len(handles) > 0; try++ {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(handles))
		for i, h := range handles {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: h}
		}
		out, err := l.client.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &l.url, Entries: entries})
		if err != nil {
			pause(ctx, errorPause)
			continue
		}
		var failed []*string
		for _, f := range out.Failed {
			if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil {
				failed = append(failed, handles[i])
			}
		}
		handles = failed
	}
}

func (l *strongLoop) stop(context.Context) error {
	l.cancel()
	l.pollers.Wait()
	close(l.work)
	l.workers.Wait()
	close(l.acks)
	l.flusher.Wait()
	l.deletes.Wait()
	return nil
}

func (*strongLoop) gaveUp() error { return nil }

// manyConnections keeps a connection for each request in flight; the default keeps ten.
func manyConnections(o *awssqs.Options) {
	o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 128 })
}

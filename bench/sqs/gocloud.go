package rig

import (
	"context"
	"errors"
	"sync"

	"gocloud.dev/pubsub"
	"gocloud.dev/pubsub/awssnssqs"
)

// goCloudWorkers is the most messages at a time where a scenario does not say; the library's example has ten.
const goCloudWorkers = 64

// goCloudLoop is the loop of go-cloud's documentation: receive, take a place, handle and ack on a goroutine, end at the
// first error of Receive, since the library says that no later one will succeed.
type goCloudLoop struct {
	sub    *pubsub.Subscription
	cancel context.CancelFunc
	places chan struct{}
	loop   sync.WaitGroup

	mu  sync.Mutex
	err error
}

func (l *goCloudLoop) start(ctx context.Context, j job, w *work) error {
	client, err := newClient(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	l.sub = awssnssqs.OpenSubscription(ctx, client, j.URL, &awssnssqs.SubscriptionOptions{Raw: true})
	places := goCloudWorkers
	if j.Concurrency > 0 {
		places = j.Concurrency
	}
	l.places = make(chan struct{}, places)
	receiving, cancel := context.WithCancel(ctx)
	l.cancel = cancel
	l.loop.Go(func() {
		for {
			m, err := l.sub.Receive(receiving)
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					l.mu.Lock()
					l.err = err
					l.mu.Unlock()
				}
				return
			}
			l.places <- struct{}{}
			go func() {
				defer func() { <-l.places }()
				if w.body(ctx, m.Body) == nil {
					m.Ack()
				} else if m.Nackable() {
					m.Nack()
				}
			}()
		}
	})
	return nil
}

func (l *goCloudLoop) stop(ctx context.Context) error {
	l.cancel()
	l.loop.Wait()
	for range cap(l.places) {
		l.places <- struct{}{}
	}
	return l.sub.Shutdown(ctx)
}

func (l *goCloudLoop) gaveUp() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sender publishes to the queue. send returns when SQS has answered for the message, and is called by many goroutines.
type sender interface {
	open(ctx context.Context, j job) error
	send(ctx context.Context, n Number) error
	close(ctx context.Context) error
}

// senders by name.
var senders = map[string]func() sender{
	ours:    func() sender { return &fxpondSender{} },
	single:  func() sender { return &singleSender{} },
	batcher: func() sender { return &batchSender{} },
	goCloud: func() sender { return &goCloudSender{} },
}

const (
	single  = "SendMessage"
	batcher = "batcher by hand"
)

// publish is the process of a sender. Its callers send one message after another until they are stopped.
func publish(in io.Reader, out io.Writer) error {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j); err != nil {
		return err
	}
	p := &publishing{job: j, to: senders[j.Contestant]()}
	var err error
	if p.work, err = newWork(j); err != nil {
		return err
	}
	endProfile, err := profile(j.Profile)
	if err != nil {
		return err
	}
	return answers(in, out, func(r clientRequest) (any, error) {
		switch r.Op {
		case "start":
			return nil, p.start()
		case "await":
			return p.work.await(r.N, r.Patience), nil
		case "stop":
			err := p.stop()
			endProfile()
			return p.usage(), err
		}
		return nil, fmt.Errorf("a client knows no %q", r.Op)
	})
}

// publishing is the callers of a sender. Their work is to note what was sent.
type publishing struct {
	job     job
	to      sender
	work    *work
	callers sync.WaitGroup
	cancel  context.CancelFunc
	next    atomic.Int64

	mu        sync.Mutex
	latencies []time.Duration
	failed    []int
	first     error // of the failures
}

func (p *publishing) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if err := p.to.open(ctx, p.job); err != nil {
		return err
	}
	for range p.job.Concurrency {
		p.callers.Go(func() { p.call(ctx) })
	}
	return nil
}

// call sends until ctx ends. What has begun is waited for: its fate must be known.
func (p *publishing) call(ctx context.Context) {
	for ctx.Err() == nil {
		n := int(p.next.Add(1)) - 1
		if n >= p.job.N {
			return
		}
		began := time.Now()
		err := p.to.send(context.WithoutCancel(ctx), Number{N: n, Text: filler})
		took := time.Since(began)
		p.mu.Lock()
		p.latencies = append(p.latencies, took)
		if err != nil {
			p.failed = append(p.failed, n)
			if p.first == nil {
				p.first = err
			}
		}
		p.mu.Unlock()
		if err == nil {
			_ = p.work.handle(ctx, Number{N: n}) // notes it; a cost it has not
		}
	}
}

func (p *publishing) stop() error {
	p.cancel()
	p.callers.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return p.to.close(ctx)
}

func (p *publishing) usage() usage {
	u := p.work.usage()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.latencies)
	u.P50, u.P99, u.Failed = quantile(p.latencies, 0.5), quantile(p.latencies, 0.99), p.failed
	if p.first != nil {
		u.Stopped = p.first.Error()
	}
	return u
}

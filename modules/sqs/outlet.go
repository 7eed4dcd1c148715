package sqs

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// publishLinger is the longest that a send waits for others while requests are in flight. With none
	// in flight nothing waits.
	publishLinger = 5 * time.Millisecond

	publishTries = 4
)

// outlet is one queue that events are sent to. Entries gather while requests are in flight and leave
// in batches of ten entries or 1 MiB. On a FIFO queue a group is never in two requests at once.
type outlet struct {
	p    *Publisher
	name string
	url  string
	fifo bool

	ctx    context.Context // of the requests, ends when Stop's time is up
	cancel context.CancelFunc

	mu       sync.Mutex
	pending  []*entry
	bytes    int
	inFlight int
	groups   map[string]bool // FIFO groups in flight
	timer    *time.Timer
	stopped  bool
	idle     chan struct{} // set by stop, closed when nothing is pending or in flight
}

func newOutlet(p *Publisher, name, url string, fifo bool) *outlet {
	o := &outlet{p: p, name: name, url: url, fifo: fifo, groups: map[string]bool{}}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

// add never blocks.
func (o *outlet) add(e *entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return ErrStopped
	}
	o.pending = append(o.pending, e)
	o.bytes += e.size
	switch {
	case len(o.pending) >= maxBatch || o.bytes >= maxBytes:
		o.launch()
	case o.inFlight == 0:
		// Nothing to wait for. The launch is left to another goroutine so that callers who are just
		// as far as this one come along.
		o.inFlight++
		go func() {
			runtime.Gosched()
			o.mu.Lock()
			defer o.mu.Unlock()
			o.inFlight--
			o.launch()
		}()
	case o.timer == nil:
		o.timer = time.AfterFunc(publishLinger, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.launch()
		})
	}
	return nil
}

// launch sends all that is pending and may leave. It needs mu.
func (o *outlet) launch() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	for {
		batch := o.take()
		if len(batch) == 0 {
			break
		}
		o.inFlight++
		go o.deliver(batch)
	}
	if o.idle != nil && o.inFlight == 0 && len(o.pending) == 0 {
		close(o.idle)
		o.idle = nil
	}
}

// take removes the next batch from pending. A group that is in flight stays, with all behind it in
// the same group. It needs mu.
func (o *outlet) take() []*entry {
	var batch []*entry
	var bytes int
	var blocked map[string]bool
	rest := o.pending[:0]
	for i, e := range o.pending {
		if len(batch) == maxBatch || bytes+e.size > maxBytes {
			rest = append(rest, o.pending[i:]...)
			break
		}
		if e.group != "" && o.fifo && (o.groups[e.group] || blocked[e.group]) {
			if blocked == nil {
				blocked = map[string]bool{}
			}
			blocked[e.group] = true
			rest = append(rest, e)
			continue
		}
		batch = append(batch, e)
		bytes += e.size
	}
	clear(o.pending[len(rest):])
	o.pending = rest
	o.bytes -= bytes
	if o.fifo {
		for _, e := range batch {
			o.groups[e.group] = true
		}
	}
	return batch
}

// deliver sends one batch until each of its entries has its answer.
func (o *outlet) deliver(batch []*entry) {
	left := batch
	for try := 1; ; try++ {
		errs := o.send(left)
		var again []*entry
		for i, e := range left {
			if err := errs[i]; err != nil && !senderFault(err) && !fatal(err) && try < publishTries && o.ctx.Err() == nil {
				again = append(again, e)
			} else {
				o.answer(e, err)
			}
		}
		if left = again; len(left) == 0 {
			break
		}
		timer := time.NewTimer(jittered(50*time.Millisecond, time.Second, try))
		select {
		case <-timer.C:
		case <-o.ctx.Done():
			timer.Stop()
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inFlight--
	for _, e := range batch {
		delete(o.groups, e.group)
	}
	o.launch()
}

func (o *outlet) answer(e *entry, err error) {
	if err != nil && o.ctx.Err() != nil {
		err = ErrStopped
	}
	outcome := o.p.tel.of(o.name).queue
	o.p.tel.sent.Add(context.Background(), 1, outcome)
	e.release()
	e.answer <- err
}

func (o *outlet) send(entries []*entry) []error {
	in := &awssqs.SendMessageBatchInput{QueueUrl: aws.String(o.url), Entries: make([]types.SendMessageBatchRequestEntry, len(entries))}
	for i, e := range entries {
		in.Entries[i] = e.wire
		in.Entries[i].Id = aws.String(entryIDs[i])
	}
	out, err := o.p.api.SendMessageBatch(o.ctx, in)
	if err != nil {
		return entryErrors(len(entries), nil, err)
	}
	return entryErrors(len(entries), out.Failed, nil)
}

// stop answers how many entries were not sent when ctx ended.
func (o *outlet) stop(ctx context.Context) (left int) {
	o.mu.Lock()
	o.stopped = true
	idle := make(chan struct{})
	o.idle = idle
	o.launch()
	o.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	o.cancel()

	o.mu.Lock()
	unsent := o.pending
	o.pending = nil
	inFlight := o.inFlight
	o.mu.Unlock()
	for _, e := range unsent {
		o.answer(e, ErrStopped)
	}
	if inFlight > 0 {
		<-idle // requests end at once with their cancelled context
	}
	return len(unsent) + inFlight
}

package sqs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/fxpond/fxpond/modules/events"
)

// maxBuffered bounds the bytes that wait to be sent or confirmed, over all queues. Callers beyond it
// wait, so a slow SQS slows its publishers and not the process's memory.
const maxBuffered = 64 << 20

// ErrStopped answers a Publish that came after Stop, or that Stop could not send in time.
var ErrStopped = errors.New("sqs: the publisher has stopped")

// PublishError says which event was not sent and why.
type PublishError struct {
	Event events.Any
	Queue string
	Err   error
}

// Error implements error.
func (e *PublishError) Error() string {
	return fmt.Sprintf("sqs: publishing event %q (%s) to queue %q: %v", e.Event.Name, e.Event.ID, e.Queue, e.Err)
}

// Unwrap answers the reason.
func (e *PublishError) Unwrap() error { return e.Err }

// Publisher sends events to SQS queues. Sends of many goroutines share requests, ten to a batch; each
// caller learns the fate of its own events. It implements [events.Publisher] and is safe for
// concurrent use.
type Publisher struct {
	cfg    Config
	api    API
	tel    *telemetry
	buffer *semaphore.Weighted

	mu      sync.Mutex
	outlets map[string]*outlet // by the queue as configured
	stopped bool
}

var _ events.Publisher = (*Publisher)(nil)

// NewPublisher makes a publisher for the routes of cfg.Publish. Queues are found at the first event
// that goes there.
func NewPublisher(cfg Config, api API, opts ...Option) (*Publisher, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if api == nil && len(cfg.Publish) > 0 {
		return nil, errors.New("sqs: NewPublisher: no SQS client: pass one from NewClient")
	}
	o := newOptions(opts)
	tel, err := newTelemetry(o.meters)
	if err != nil {
		return nil, err
	}
	return &Publisher{cfg: cfg, api: api, tel: tel, buffer: semaphore.NewWeighted(maxBuffered), outlets: map[string]*outlet{}}, nil
}

// Publish sends events and returns when SQS has answered for each of them. nil means that every one is
// stored in its queue; otherwise the error joins a [*PublishError] for each that is not, and the others
// are. When ctx ends first, the events not answered for carry its error and may or may not arrive.
func (p *Publisher) Publish(ctx context.Context, all ...events.Any) error {
	entries := make([]*entry, 0, len(all))
	var errs []error
	for _, e := range all {
		sent, err := p.enqueue(ctx, e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entries = append(entries, sent)
	}
	for _, e := range entries {
		if err := e.await(ctx); err != nil {
			errs = append(errs, &PublishError{Event: e.event, Queue: e.outlet.name, Err: err})
		}
	}
	return errors.Join(errs...)
}

// enqueue blocks while the buffer is full.
func (p *Publisher) enqueue(ctx context.Context, e events.Any) (*entry, error) {
	fail := func(queue string, err error) error { return &PublishError{Event: e, Queue: queue, Err: err} }
	queue, err := p.route(e.Name)
	if err != nil {
		return nil, fail("", err)
	}
	out, err := p.outlet(ctx, queue)
	if err != nil {
		return nil, fail(queue, err)
	}
	sent, err := newEntry(out, e)
	if err != nil {
		return nil, fail(queue, err)
	}
	if err := p.buffer.Acquire(ctx, int64(sent.size)); err != nil {
		return nil, fail(queue, fmt.Errorf("waiting for room among %d MiB of unsent events: %w", maxBuffered>>20, err))
	}
	sent.release = func() { p.buffer.Release(int64(sent.size)) }
	if err := out.add(sent); err != nil {
		sent.release()
		return nil, fail(queue, err)
	}
	return sent, nil
}

func (p *Publisher) route(name string) (string, error) {
	for _, r := range p.cfg.Publish {
		if events.Match(r.Pattern, name) {
			return r.Queue, nil
		}
	}
	return "", fmt.Errorf("no route for event %q: add a sqs.Route whose Pattern matches it to sqs.Config.Publish", name)
}

// outlet finds the queue's URL once. A queue that is missing is looked for again next time.
func (p *Publisher) outlet(ctx context.Context, queue string) (*outlet, error) {
	p.mu.Lock()
	out, stopped := p.outlets[queue], p.stopped
	p.mu.Unlock()
	if stopped {
		return nil, ErrStopped
	}
	if out != nil {
		return out, nil
	}
	url, err := resolve(ctx, p.api, queue)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, ErrStopped
	}
	if out := p.outlets[queue]; out != nil {
		return out, nil
	}
	name, _ := queueName(queue) // validated before
	out = newOutlet(p, name, url, strings.HasSuffix(name, ".fifo"))
	p.outlets[queue] = out
	return out, nil
}

// Stop refuses new events and sends those that wait, within ShutdownTimeout or ctx, whichever is
// shorter. What could not be sent is answered with [ErrStopped] to its caller. A second Stop does nothing.
func (p *Publisher) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ShutdownTimeout)
	defer cancel()
	p.mu.Lock()
	p.stopped = true
	outlets := make([]*outlet, 0, len(p.outlets))
	for _, out := range p.outlets {
		outlets = append(outlets, out)
	}
	p.mu.Unlock()
	left := 0
	for _, out := range outlets {
		left += out.stop(ctx)
	}
	if left > 0 {
		return fmt.Errorf("sqs: stopped with %d events not sent; their publishers have got the error", left)
	}
	return nil
}

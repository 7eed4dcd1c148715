package sqs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/fxpond/fxpond/modules/events"
)

// Publisher sends events to SQS queues, SNS topics and EventBridge buses. Sends of many goroutines share
// requests, ten to a batch; each caller learns the fate of its own events. It implements
// [events.Publisher] and is safe for concurrent use.
type Publisher struct {
	cfg      Config
	carriers map[string]Carrier // by kind
	store    ObjectStore
	codec    *codec
	tel      *publishTelemetry
	buffer   *semaphore.Weighted

	accepting context.Context // ends when Stop begins
	stop      context.CancelCauseFunc

	mu      sync.Mutex
	outlets map[address]*outlet
}

var _ events.Publisher = (*Publisher)(nil)

// NewPublisher makes a publisher for the routes of cfg.Publish. Destinations are found at the first
// event that goes there. A Config that cannot work is an error that names every problem.
func NewPublisher(cfg Config, api API, opts ...Option) (*Publisher, error) {
	cfg = cfg.withDefaults()
	o := newOptions(opts)
	carriers := map[string]Carrier{kindTopic: o.topics, kindBus: o.buses}
	if api != nil {
		carriers[kindQueue] = queues{api: api}
	}
	errs := []error{cfg.validate()}
	for i, r := range cfg.Publish {
		if to := r.to(); carriers[to.kind] == nil {
			errs = append(errs, fmt.Errorf("sqs.Config.Publish[%d]: nothing here sends to a %s: %s", i, to.kind, missingCarrier[to.kind]))
		}
	}
	tel, err := newPublishTelemetry(o)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	p := &Publisher{
		cfg: cfg, carriers: carriers, store: o.store, codec: newCodec(), tel: tel,
		buffer: semaphore.NewWeighted(int64(cfg.PublishBuffer)), outlets: map[address]*outlet{},
	}
	p.accepting, p.stop = context.WithCancelCause(context.Background())
	return p, nil
}

var missingCarrier = map[string]string{
	kindQueue: "pass NewPublisher an SQS client, such as that of NewClient",
	kindTopic: "add sns.Module of modules/sqs/sns, or sqs.WithTopics without Fx",
	kindBus:   "add eventbridge.Module of modules/sqs/eventbridge, or sqs.WithBuses without Fx",
}

// Publish sends events and returns when the service has answered for each of them. nil means that every
// one is stored; otherwise the error joins a [*PublishError] for each that is not, and the others are.
// Events of one call that go to the same FIFO group keep their order.
//
// It blocks while Config.PublishBuffer is full. When ctx ends, events that are in no request yet
// are withdrawn and will not be sent; the others may or may not arrive, as their errors say.
func (p *Publisher) Publish(ctx context.Context, all ...events.Any) error {
	entries := make([]*entry, len(all))
	for i, e := range all {
		entries[i] = p.prepare(ctx, e)
	}
	p.enqueue(ctx, entries)
	var errs []error
	for _, e := range entries {
		if err := e.wait(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// PublishAsync puts an event in line and returns. It blocks while Config.PublishBuffer is full, and a
// body that is offloaded is stored before it returns; ctx bounds both, and nothing after them. Events
// that one goroutine publishes to the same FIFO group keep their order.
func (p *Publisher) PublishAsync(ctx context.Context, e events.Any) *Pending {
	n := p.prepare(ctx, e)
	p.enqueue(ctx, []*entry{n})
	return n.Pending
}

// prepare makes the entry of an event. One that cannot be sent has its answer and no outlet.
func (p *Publisher) prepare(ctx context.Context, e events.Any) *entry {
	r, err := p.cfg.route(&e)
	if err != nil {
		return &entry{Pending: failed(&PublishError{Event: e, Err: err})}
	}
	out, err := p.outlet(ctx, r)
	if err != nil {
		return &entry{Pending: failed(&PublishError{Event: e, To: r.to().ref, Err: err})}
	}
	ctx, span := out.startSpan(ctx, e.Name)
	n, err := p.newEntry(ctx, e, r, out.to)
	if err != nil {
		endSpan(span, "", err)
		return &entry{Pending: failed(&PublishError{Event: e, To: out.to.Name, Err: err})}
	}
	n.outlet, n.span = out, span
	return n
}

// outlet opens the route's destination once. One that is missing is looked for again next time.
func (p *Publisher) outlet(ctx context.Context, r Route) (*outlet, error) {
	at := r.to()
	p.mu.Lock()
	out := p.outlets[at]
	p.mu.Unlock()
	switch {
	case p.accepting.Err() != nil:
		return nil, ErrStopped
	case out != nil:
		return out, nil
	}
	to, err := p.carriers[at.kind].Open(ctx, at.ref)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accepting.Err() != nil {
		return nil, ErrStopped
	}
	if out := p.outlets[at]; out != nil {
		return out, nil
	}
	out = newOutlet(to, r.PackGroups, p.tel.of(to.Name), func(e *entry) { p.buffer.Release(e.weight()) })
	p.outlets[at] = out
	return out, nil
}

// enqueue gives each entry its part of the buffer and puts it in line. What one call sends to one
// outlet gets there in one piece, so that it shares requests, unless the buffer is full in between.
func (p *Publisher) enqueue(ctx context.Context, entries []*entry) {
	held := 0 // entries[held:i] have their part and are not in line yet
	for i, e := range entries {
		if e.outlet == nil || p.buffer.TryAcquire(e.weight()) {
			continue
		}
		p.lineUp(entries[held:i])
		held = i
		if err := p.waitForRoom(ctx, e.weight()); err != nil {
			e.reject(err)
		}
	}
	p.lineUp(entries[held:])
}

// waitForRoom ends with an error when ctx does, or when Stop begins.
func (p *Publisher) waitForRoom(ctx context.Context, weight int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.accepting, func() { cancel(ErrStopped) })()
	if p.buffer.Acquire(ctx, weight) != nil {
		return fmt.Errorf("waiting for room among %d MiB of unsent events: %w", p.cfg.PublishBuffer>>20, context.Cause(ctx))
	}
	return nil
}

// lineUp hands entries to their outlets, each outlet's in one piece.
func (p *Publisher) lineUp(entries []*entry) {
	for len(entries) > 0 {
		out := entries[0].outlet
		same, rest := entries, []*entry(nil)
		if slices.ContainsFunc(entries, func(e *entry) bool { return e.outlet != out }) {
			same = nil
			for _, e := range entries {
				if e.outlet == out {
					same = append(same, e)
				} else {
					rest = append(rest, e)
				}
			}
		}
		entries = rest
		if out == nil {
			continue
		}
		if err := out.add(same...); err != nil {
			for _, e := range same {
				p.buffer.Release(e.weight())
				e.reject(err)
			}
		}
	}
}

// Stop refuses new events and sends those that wait, within ShutdownTimeout or ctx, whichever is
// shorter. What could not be sent is answered with [ErrStopped] to its caller, and counted in the error.
// A second Stop does nothing.
func (p *Publisher) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ShutdownTimeout)
	defer cancel()
	p.mu.Lock()
	p.stop(ErrStopped)
	outlets := slices.Collect(maps.Values(p.outlets))
	p.mu.Unlock()
	for _, out := range outlets {
		out.refuse()
	}
	left := 0
	for _, out := range outlets {
		left += out.drain(ctx)
	}
	if left > 0 {
		return fmt.Errorf("sqs: stopped with %d events not sent or not confirmed; their publishers have the error", left)
	}
	return nil
}

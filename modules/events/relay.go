package events

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Publisher takes events and brings them to those who listen. Publish returns
// nil when all of them were accepted, with whatever promise the publisher
// gives: the bus has run the listeners, SQS has stored the messages, the outbox
// has joined the caller's transaction.
type Publisher interface {
	Publish(ctx context.Context, events ...Any) error
}

// Relay is the Publisher that an application's constructors receive. It passes
// everything on to the publisher it is bound to, which can be bound after the
// listeners were made: a listener may therefore publish without its constructor
// depending on the bus that depends on the listener. Safe for concurrent use.
type Relay struct {
	target   atomic.Pointer[Publisher] // chosen with Bind
	fallback atomic.Pointer[Publisher] // the bus
}

// NewRelay returns a relay that is not bound yet.
func NewRelay() *Relay { return new(Relay) }

// Bind chooses the publisher behind the relay. It can be chosen once; another
// choice is an error, because it would redirect events that others rely on.
func (r *Relay) Bind(p Publisher) error {
	if p == nil {
		return fmt.Errorf("events: binding the publisher relay: publisher is nil")
	}
	if p == Publisher(r) {
		return fmt.Errorf("events: binding the publisher relay: it cannot publish to itself")
	}
	if !r.target.CompareAndSwap(nil, &p) {
		return fmt.Errorf("events: binding the publisher relay to %T: it is bound to %T", p, *r.target.Load())
	}
	return nil
}

// Target returns the publisher that events are passed to now: the one bound, else
// the bus, nil if there is neither.
func (r *Relay) Target() Publisher {
	p := r.target.Load()
	if p == nil {
		p = r.fallback.Load()
	}
	if p == nil {
		return nil
	}
	return *p
}

// Publish passes the events on. It answers ErrUnbound if nothing is bound.
func (r *Relay) Publish(ctx context.Context, events ...Any) error {
	p := r.Target()
	if p == nil {
		return ErrUnbound
	}
	return p.Publish(ctx, events...)
}

// fallBackTo makes p the target for as long as nobody chooses another.
func (r *Relay) fallBackTo(p Publisher) { r.fallback.Store(&p) }

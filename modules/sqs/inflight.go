package sqs

import (
	"context"
	"slices"
	"time"
)

// Delivery is one receive of a message, as it stands.
type Delivery struct {
	Queue      string // its name
	MessageID  string
	Group      string    // FIFO message group, "" on a standard queue
	Receives   int       // how often SQS has handed the message out, this time included
	SentAt     time.Time // zero if SQS did not say
	ReceivedAt time.Time
	Deadline   time.Time     // when the lease counts as lost, unless it is renewed before
	Visibility time.Duration // what each renewal adds
	Started    bool          // its listeners have been started
	Lost       bool          // the lease is lost: SQS delivers the message again
}

// deliveryKey has the *message as its value.
type deliveryKey struct{}

// deliveryContext is part of its message, so that it costs none of its own.
type deliveryContext struct {
	context.Context

	message *message
}

// Value implements [context.Context].
func (c *deliveryContext) Value(key any) any {
	if key == (deliveryKey{}) {
		return c.message
	}
	return c.Context.Value(key)
}

// context is what a message's listeners work in, but for its lease.
func (m *message) context(ctx context.Context) context.Context {
	m.ctx = deliveryContext{ctx, m}
	return &m.ctx
}

// DeliveryFrom tells a listener which message brought its event, for instance to do on the last attempt
// what it does not do on others. It is false for events that did not come from SQS.
func DeliveryFrom(ctx context.Context) (Delivery, bool) {
	m, ok := ctx.Value(deliveryKey{}).(*message)
	if !ok {
		return Delivery{}, false
	}
	ls := m.queue.c.leases
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return m.lease.delivery(), true
}

// InFlight lists the messages that were received and are not settled, over all queues, the oldest first.
// A message whose lease was lost is not ours any more and not listed, though its listeners may still run.
func (c *Consumer) InFlight() []Delivery {
	ls := c.leases
	ls.mu.Lock()
	var all []Delivery
	for l := range ls.all() {
		all = append(all, l.delivery())
	}
	ls.mu.Unlock()
	slices.SortFunc(all, func(a, b Delivery) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	return all
}

// delivery needs the leases' mu.
func (l *lease) delivery() Delivery {
	m := l.message
	return Delivery{
		Queue: m.queue.name, MessageID: m.id, Group: m.group, Receives: m.receives, SentAt: m.sent,
		ReceivedAt: l.received, Deadline: l.deadline, Visibility: m.queue.visibility, Started: l.cancel != nil, Lost: l.lost != nil,
	}
}

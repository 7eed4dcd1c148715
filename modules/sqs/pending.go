package sqs

import "context"

// Sent is where an event has been stored.
type Sent struct {
	To             string // the name of the queue, topic or bus
	EventID        string
	MessageID      string
	SequenceNumber string // on FIFO only; it grows inside a group
}

// Pending is an event on its way. Its methods are safe for concurrent use.
type Pending struct {
	done chan struct{}
	sent Sent
	err  error
}

func newPending() *Pending { return &Pending{done: make(chan struct{})} }

// failed answers a Pending that is answered already.
func failed(err error) *Pending {
	p := newPending()
	p.answer(Sent{}, err)
	return p
}

func (p *Pending) answer(sent Sent, err error) {
	p.sent, p.err = sent, err
	close(p.done)
}

// Done is closed once the event is stored, or is known not to be.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Await returns where the event is stored, or why not: a [*PublishError]. When ctx ends first its cause
// is returned, and the event stays on its way.
func (p *Pending) Await(ctx context.Context) (Sent, error) {
	select {
	case <-p.done:
		return p.sent, p.err
	default:
	}
	select {
	case <-p.done:
		return p.sent, p.err
	case <-ctx.Done():
		return Sent{}, context.Cause(ctx)
	}
}

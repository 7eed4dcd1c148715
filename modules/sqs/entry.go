package sqs

import (
	"container/list"
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/fxpond/fxpond/modules/events"
)

// AttributeEventID is the message attribute that repeats the event's ID beside [events.AttributeEvent],
// its name: filters and readers in other languages need not look into the body.
const AttributeEventID = "event_id"

// entryOverhead is what an entry takes in memory beside its message, rounded up, so that many small
// events count for what they are.
const entryOverhead = 1 << 10

// usualAttributes is how many attributes most messages have: name, id and two of trace context. A map
// made for ten takes several times the memory.
const usualAttributes = 4

// entry is one event in an outlet.
type entry struct {
	*Pending // which the caller may keep for long: it does not hold on to the message

	outlet  *outlet // nil when the entry got its answer before it got there
	message *Outgoing
	size    int        // as the service counts it
	order   string     // the group on FIFO, else ""
	span    trace.Span // nil without a tracer

	// Where the line holds it; nil once a request has taken it.
	place  *list.Element
	within *list.List
	since  time.Time // when it could have left at the earliest

	doubt bool // a request with it went unanswered; only its request looks at this
}

// weight is the entry's share of the publisher's buffer.
func (e *entry) weight() int64 { return int64(e.size) + entryOverhead }

// reject answers an entry that is in no outlet.
func (e *entry) reject(err error) {
	endSpan(e.span, "", err)
	e.answer(Sent{}, &PublishError{Event: e.message.Event, To: e.outlet.to.Name, Err: err})
	e.outlet = nil
}

// wait returns the entry's answer. When ctx ends first, the entry is withdrawn unless a request has it.
func (e *entry) wait(ctx context.Context) error {
	if e.outlet == nil {
		return e.err
	}
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if e.outlet.withdraw(e, fmt.Errorf("withdrawn before it was sent: %w", cause)) {
		return e.err
	}
	select {
	case <-e.done:
		return e.err
	default:
		return &PublishError{Event: e.message.Event, To: e.outlet.to.Name, Err: fmt.Errorf("waiting for the answer: %w", cause), Uncertain: true}
	}
}

// newEntry makes the message. A body that is offloaded is stored here, while ctx lasts.
func (p *Publisher) newEntry(ctx context.Context, e events.Any, r Route, to *Destination) (*entry, error) {
	in, err := instructionsOf(&e)
	if err != nil {
		return nil, err
	}
	if in.delay > to.MaxDelay {
		return nil, delayError(in.delay, to)
	}
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("making an event ID: %w", err)
		}
		e.ID = id.String()
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now().UTC()
	}
	body, known, err := events.Encode(e)
	if err != nil {
		return nil, err
	}
	m := &Outgoing{Event: e, Body: string(body), Delay: in.delay, Attributes: make(map[string]string, usualAttributes)}
	maps.Copy(m.Attributes, in.attributes)
	if err := p.pack(ctx, m, to); err != nil {
		return nil, err
	}
	if len(m.Attributes) > maxAttributes {
		return nil, fmt.Errorf("the event has %d attributes, and no slot is left to mark its body as compressed or offloaded: SQS takes %d", len(in.attributes), maxAttributes)
	}
	fill(m.Attributes, events.AttributeEvent, known[events.AttributeEvent])
	fill(m.Attributes, AttributeEventID, e.ID)
	for name, value := range known {
		fill(m.Attributes, name, value)
	}
	identify(m, in, r, to)
	carryTrace(ctx, m, to.MaxBytes-to.Sender.Size(m))

	n := &entry{Pending: newPending(), message: m, size: to.Sender.Size(m)}
	if n.size > to.MaxBytes {
		return nil, fmt.Errorf("the message has %d bytes with its attributes, and %d is the limit: supply a sqs.ObjectStore to offload long bodies, or send a reference", n.size, to.MaxBytes)
	}
	if to.FIFO {
		n.order = m.Group
	}
	return n, nil
}

func delayError(d time.Duration, to *Destination) error {
	if to.MaxDelay == 0 {
		return fmt.Errorf("a delay of %v: single messages cannot be delayed there; a FIFO queue has a DelaySeconds of its own", d)
	}
	return fmt.Errorf("a delay of %v: %v is the longest that SQS offers", d, to.MaxDelay)
}

// fill sets an attribute if there is room and nobody has set it.
func fill(attributes map[string]string, name, value string) {
	if _, taken := attributes[name]; !taken && value != "" && len(attributes) < maxAttributes {
		attributes[name] = value
	}
}

// identify sets the group and, on FIFO, the deduplication id.
func identify(m *Outgoing, in instructions, r Route, to *Destination) {
	group := in.group
	if group == "" && r.GroupBy != "" {
		group = m.Event.Metadata[r.GroupBy]
	}
	if group == "" && to.FIFO {
		group, _, _ = strings.Cut(m.Event.Name, ".")
	}
	if group != "" {
		m.Group = token(group)
	}
	if !to.FIFO {
		return
	}
	if m.DedupID = in.dedupID; m.DedupID == "" {
		m.DedupID = m.Event.ID
	}
	m.DedupID = token(m.DedupID)
}

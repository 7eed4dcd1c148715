package sqs

import (
	"context"
	"errors"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// Carrier opens the destinations of one kind: queues are built in, topics come with modules/sqs/sns,
// buses with modules/sqs/eventbridge.
type Carrier interface {
	// Open finds a destination by what a [Route] calls it. The publisher opens each one once, at the
	// first event that goes there, and tries again after an error.
	Open(ctx context.Context, ref string) (*Destination, error)
}

// Destination is one queue, topic or bus with what it takes.
type Destination struct {
	Name     string        // a registered name, for labels and errors
	FIFO     bool          // messages of a group keep their order, and repeats of a deduplication id are dropped
	MaxBytes int           // of one message, and of all messages in a request
	MaxDelay time.Duration // of one message; 0: it cannot be delayed
	Packs    bool          // bodies may be compressed or offloaded: the fxpond consumer reads them from here
	Sender   Sender
}

// Sender makes requests to one destination. It is called concurrently.
type Sender interface {
	// Size is the message's share of MaxBytes, counted as the service counts it.
	Size(m *Outgoing) int

	// Send makes one request for up to ten messages and answers each of them, in their order. An entry
	// that the service refused alone has an [*EntryError]; when the request as a whole failed,
	// every answer has its error. It returns soon after ctx ends, or Stop cannot.
	Send(ctx context.Context, batch []*Outgoing) []Answer
}

// Outgoing is an event as it travels. It must not be changed.
type Outgoing struct {
	Event      events.Any        // with an ID and a time
	Body       string            // fxpond's envelope in JSON, unless it is compressed or offloaded
	Attributes map[string]string // at most ten
	Group      string            // message group id
	DedupID    string            // message deduplication id, on FIFO only
	Delay      time.Duration     // whole seconds
	Trace      string            // AWSTraceHeader, "" when nothing is traced
}

// Answer is the answer to one message of a request.
type Answer struct {
	MessageID      string
	SequenceNumber string // on FIFO only
	Err            error
}

// ErrNoAnswer is for a message that the answer to its request does not mention. It is sent again.
var ErrNoAnswer = errors.New("sqs: the service's answer does not mention the message")

// failAll answers a request that failed as a whole.
func failAll(n int, err error) []Answer {
	results := make([]Answer, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

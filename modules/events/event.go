package events

import (
	"time"

	"github.com/google/uuid"
)

// Event is something that happened, with its payload. It is a value: copy it
// freely. Each listener receives its own copy of Data and Metadata and may
// change both without disturbing another.
type Event[T any] struct {
	// ID tells this event from all others of its Source. New events get a
	// UUIDv7, decoded ones keep the sender's, or take the message's.
	ID string
	// Name routes the event: dot-separated segments such as "user.created".
	Name string
	// Data is the payload.
	Data T
	// Timestamp is when it happened, in UTC.
	Timestamp time.Time
	// Source names who published it. With ID it identifies the event.
	Source string
	// Metadata travels with the event: trace context, message attributes,
	// what the envelopes told. It may be nil.
	Metadata map[string]string
}

// Any is an event whose payload type is not known to the code that carries it.
// Data is then either the Go value that was dispatched, or a *Payload that
// holds JSON as it came in; [As] turns both into a typed event.
type Any = Event[any]

// EventOption changes an event while a topic makes it.
type EventOption func(*Any)

// WithID replaces the generated ID. Use it where the event's identity is known
// beforehand, so that publishing it twice is noticed.
func WithID(id string) EventOption {
	return func(e *Any) { e.ID = id }
}

// WithSource names the publisher of the event.
func WithSource(source string) EventOption {
	return func(e *Any) { e.Source = source }
}

// WithTimestamp replaces the current time. It is stored in UTC.
func WithTimestamp(t time.Time) EventOption {
	return func(e *Any) { e.Timestamp = t.UTC() }
}

// WithMetadata adds one entry to the event's metadata.
func WithMetadata(key, value string) EventOption {
	return func(e *Any) {
		if e.Metadata == nil {
			e.Metadata = make(map[string]string)
		}
		e.Metadata[key] = value
	}
}

// identity is what ledgers and stores know an event by. IDs are unique per
// source only, as in CloudEvents.
func (e *Event[T]) identity() string {
	if e.Source == "" {
		return e.ID
	}
	return e.Source + " " + e.ID
}

// newID returns a UUIDv7, so that IDs sort by time. The random source failing
// is the only error there is; Go's runtime ends the program before that.
func newID() string {
	return uuid.Must(uuid.NewV7()).String()
}

package sqs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// Metadata that tells the publisher how to send an event. It survives an outbox, and whoever cannot
// import this package may set it by name. It is not sent along, so that an event which is received and
// published again does not repeat it.
const (
	MetadataDelay     = "publish.delay"      // a Go duration, such as "90s"
	MetadataGroup     = "publish.group"      // the message group id
	MetadataDedupID   = "publish.dedup-id"   // the message deduplication id
	MetadataQueue     = "publish.queue"      // the name of the queue to send to
	MetadataAttribute = "publish.attribute." // begins the name of a message attribute

	metadataPrefix = "publish."
)

// WithDelay lets SQS hold the event back for d, in whole seconds rounded up, at most 15 minutes. A FIFO
// queue, a topic or a bus cannot: publishing there is an error.
func WithDelay(d time.Duration) events.EventOption {
	return events.WithMetadata(MetadataDelay, d.String())
}

// WithGroup sets the message group id. On FIFO the events of a group are received in the order in which
// they were published; on a standard queue it makes a fair queue, in which a tenant with many messages
// does not hold up the others. It wins over [Route.GroupBy].
func WithGroup(id string) events.EventOption {
	return events.WithMetadata(MetadataGroup, id)
}

// WithDedupID sets the message deduplication id: a FIFO queue drops what comes with the same one within
// five minutes. Default: the event's ID.
func WithDedupID(id string) events.EventOption {
	return events.WithMetadata(MetadataDedupID, id)
}

// WithQueue sends the event to a queue whatever the patterns of the routes say. The queue must be one of
// Config.Publish or Config.Queues.
func WithQueue(name string) events.EventOption {
	return events.WithMetadata(MetadataQueue, name)
}

// WithAttribute adds a message attribute of type String, for filter policies and for readers of the
// message that do not look into its body. SQS takes ten; the event's name and id get the slots left.
func WithAttribute(name, value string) events.EventOption {
	return events.WithMetadata(MetadataAttribute+name, value)
}

// instructions are what an event's metadata says about sending it.
type instructions struct {
	delay          time.Duration
	group, dedupID string
	attributes     map[string]string
}

// instructionsOf takes the instructions out of the event's metadata. The caller's event stays as it is.
func instructionsOf(e *events.Any) (instructions, error) {
	var in instructions
	var rest map[string]string
	for key, value := range e.Metadata {
		if !strings.HasPrefix(key, metadataPrefix) {
			continue
		}
		attribute, isAttribute := strings.CutPrefix(key, MetadataAttribute)
		switch {
		case isAttribute:
			if in.attributes == nil {
				in.attributes = make(map[string]string, maxAttributes)
			}
			in.attributes[attribute] = value
		case key == MetadataGroup:
			in.group = value
		case key == MetadataDedupID:
			in.dedupID = value
		case key == MetadataDelay:
			d, err := time.ParseDuration(value)
			if err != nil || d < 0 {
				return in, fmt.Errorf("metadata %s: %q is no delay: use a duration such as \"90s\"", MetadataDelay, value)
			}
			in.delay = (d + time.Second - 1).Truncate(time.Second)
		case key == MetadataQueue: // route has read it
		default:
			continue
		}
		if rest == nil {
			rest = maps.Clone(e.Metadata)
		}
		delete(rest, key)
	}
	if rest != nil {
		e.Metadata = rest
	}
	if len(in.attributes) > maxAttributes {
		return in, fmt.Errorf("the event has %d attributes, SQS takes %d", len(in.attributes), maxAttributes)
	}
	for name, value := range in.attributes {
		if name == "" || value == "" {
			return in, fmt.Errorf("attribute %q is %q: SQS takes neither an empty name nor an empty value", name, value)
		}
	}
	return in, nil
}

// token makes an id that SQS takes for groups and deduplication: 1 to 128 printable ASCII characters.
// One that is not of this form is replaced by its SHA-256, which keeps what matters: equal stays equal.
func token(id string) string {
	fits := id != "" && len(id) <= 128
	for i := 0; fits && i < len(id); i++ {
		fits = id[i] > ' ' && id[i] <= '~'
	}
	if fits {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

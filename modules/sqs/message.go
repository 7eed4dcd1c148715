package sqs

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
)

// message is a received message until it is settled.
type message struct {
	queue    *intake
	raw      types.Message
	id       string
	group    string // FIFO message group, "" on a standard queue
	receives int    // how often SQS has handed it out, this time included
	sent     time.Time
	lease    lease
	ctx      deliveryContext
	receipt  *receipt

	fate    fate          // why it may be deleted
	handled bool          // to be deleted; otherwise
	after   time.Duration // visible again after this
	tries   int           // requests that have tried to settle it
	work    time.Duration // of its listeners, in all
	object  string        // key of the object that the body came from, "" for none
}

// fate is why a message may be deleted.
type fate int

const (
	handled   fate = iota // its listeners are done
	buried                // it is in the dead-letter queue
	duplicate             // it was handled before
)

// receipt is one receive of a FIFO queue. Its messages are deleted together: AWS asks high-throughput
// FIFO consumers to put handles of one receive only into a batch.
type receipt struct {
	acks      *batcher[*message]
	unsettled int // needs the intake's mu
}

// newMessages begins the leases of one receive.
func (q *intake) newMessages(received []types.Message, now time.Time) []*message {
	all, messages := make([]message, len(received)), make([]*message, len(received))
	for i, raw := range received {
		m := &all[i]
		m.queue, m.raw, m.id = q, raw, aws.ToString(raw.MessageId)
		m.readReceives()
		m.readSent()
		if q.fifo {
			m.group = raw.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
		}
		messages[i] = m
	}
	q.c.leases.begin(messages, now)
	return messages
}

// readReceives reads SQS's count of receives, at least 1.
func (m *message) readReceives() {
	m.receives = 1
	if n, err := strconv.Atoi(m.raw.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		m.receives = n
	}
}

// readSent reads when SQS accepted the message, zero when SQS did not say.
func (m *message) readSent() {
	if ms, err := strconv.ParseInt(m.raw.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		m.sent = time.UnixMilli(ms)
	}
}

// decodable is the message as the events package reads it.
func (q *intake) decodable(m *message) events.Message {
	var attributes map[string]string
	if n := len(m.raw.MessageAttributes); n > 0 {
		attributes = make(map[string]string, n)
	}
	for name, v := range m.raw.MessageAttributes {
		if v.StringValue != nil {
			attributes[name] = *v.StringValue
		}
	}
	return events.Message{
		ID:         m.id,
		Body:       []byte(aws.ToString(m.raw.Body)),
		Attributes: attributes,
		SentAt:     m.sent,
		Source:     q.name,
		Format:     q.cfg.Format,
		Name:       q.cfg.Event,
	}
}

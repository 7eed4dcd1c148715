package sqs

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
)

// entry is one event on its way to a queue.
type entry struct {
	outlet  *outlet
	event   events.Any
	wire    types.SendMessageBatchRequestEntry
	group   string
	size    int
	answer  chan error // capacity 1: the sender never waits for its caller
	release func()     // gives the buffer's bytes back
}

func newEntry(out *outlet, e events.Any) (*entry, error) {
	body, attributes, err := events.Encode(e)
	if err != nil {
		return nil, err
	}
	n := &entry{outlet: out, event: e, answer: make(chan error, 1)}
	n.wire.MessageBody = aws.String(string(body))
	n.wire.MessageAttributes = make(map[string]types.MessageAttributeValue, len(attributes))
	for name, value := range attributes {
		if value == "" || len(n.wire.MessageAttributes) == maxAttributes {
			continue
		}
		n.wire.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if n.size = wireSize(*n.wire.MessageBody, n.wire.MessageAttributes); n.size > maxBytes {
		return nil, fmt.Errorf("the message has %d bytes with its attributes, SQS takes %d: send a reference to the data instead", n.size, maxBytes)
	}
	if out.fifo {
		n.group = e.Name
		n.wire.MessageGroupId = aws.String(n.group)
		n.wire.MessageDeduplicationId = aws.String(e.ID)
	}
	return n, nil
}

// await returns SQS's answer, or ctx's error when that comes first.
func (e *entry) await(ctx context.Context) error {
	select {
	case err := <-e.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not answered yet, the event may still arrive: %w", context.Cause(ctx))
	}
}

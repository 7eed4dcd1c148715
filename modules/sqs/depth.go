package sqs

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Depth is how many messages a queue holds, as SQS tells it: approximately, and late by up to a minute.
type Depth struct {
	Visible     int
	InFlight    int // with all consumers, not this one alone
	Delayed     int
	DeadLetters int // in its dead-letter queue, in whatever state
}

// Depth asks SQS about a consumed queue and its dead-letter queue, with one request for each. An unknown
// name is an error, and so is a queue before Start.
func (c *Consumer) Depth(ctx context.Context, queue string) (Depth, error) {
	q := c.intake(queue)
	if q == nil {
		return Depth{}, fmt.Errorf("sqs: queue %q is not consumed here", queue)
	}
	q.mu.Lock()
	url, dead := q.url, q.deadLetter
	q.mu.Unlock()
	if url == "" {
		return Depth{}, fmt.Errorf("sqs: queue %q is not resolved yet: start the consumer first", queue)
	}
	own, err := attributesOf(ctx, c.api, url)
	if err != nil {
		return Depth{}, fmt.Errorf("sqs: counting queue %q: %w%s", queue, err, hint(err))
	}
	d := Depth{
		Visible:  own.count(types.QueueAttributeNameApproximateNumberOfMessages),
		InFlight: own.count(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed:  own.count(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}
	if dead == "" {
		return d, nil
	}
	other, err := attributesOf(ctx, c.api, dead)
	if err != nil {
		return d, fmt.Errorf("sqs: counting the dead-letter queue of %q: %w%s", queue, err, hint(err))
	}
	for _, name := range []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	} {
		d.DeadLetters += other.count(name)
	}
	return d, nil
}

func (a queueAttributes) count(name types.QueueAttributeName) int {
	n, _ := strconv.Atoi(a[string(name)]) // SQS sends numbers
	return n
}

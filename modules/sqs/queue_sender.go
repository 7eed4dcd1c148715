package sqs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// maxDelay is the longest that SQS holds a message back.
const maxDelay = 15 * time.Minute

// queues opens queues by name, URL or ARN.
type queues struct{ api API }

// Open implements [Carrier].
func (q queues) Open(ctx context.Context, ref string) (*Destination, error) {
	url, err := resolve(ctx, q.api, ref)
	if err != nil {
		return nil, err
	}
	name, err := queueName(ref)
	if err != nil {
		return nil, fmt.Errorf("sqs: queue %q: %w", ref, err)
	}
	d := &Destination{Name: name, MaxBytes: maxBytes, MaxDelay: maxDelay, Packs: true, Sender: queueSender{api: q.api, url: url}}
	if strings.HasSuffix(name, ".fifo") {
		d.FIFO, d.MaxDelay = true, 0
	}
	return d, nil
}

// queueSender sends to one queue.
type queueSender struct {
	api API
	url string
}

// Size implements [Sender]: the body, and each attribute's name, type and value. AWSTraceHeader is free.
func (queueSender) Size(m *Outgoing) int {
	n := len(m.Body)
	for name, value := range m.Attributes {
		n += len(name) + len(stringType) + len(value)
	}
	return n
}

// Send implements [Sender].
func (q queueSender) Send(ctx context.Context, batch []*Outgoing) []Answer {
	in := &awssqs.SendMessageBatchInput{QueueUrl: aws.String(q.url), Entries: make([]types.SendMessageBatchRequestEntry, len(batch))}
	for i, m := range batch {
		in.Entries[i] = queueEntry(m)
		in.Entries[i].Id = &entryIDs[i]
	}
	out, err := q.api.SendMessageBatch(ctx, in)
	if err != nil {
		return failAll(len(batch), err)
	}
	results := failAll(len(batch), ErrNoAnswer)
	for _, ok := range out.Successful {
		if i := position(aws.ToString(ok.Id)); i >= 0 && i < len(results) {
			results[i] = Answer{MessageID: aws.ToString(ok.MessageId), SequenceNumber: aws.ToString(ok.SequenceNumber)}
		}
	}
	if len(out.Failed) == 0 {
		return results
	}
	for i, err := range entryErrors(len(batch), out.Failed, nil) {
		if err != nil {
			results[i] = Answer{Err: err}
		}
	}
	return results
}

// Data types of message attributes, as the SDK wants them: it takes pointers and does not write to them.
var (
	stringType = "String"
	numberType = "Number"
)

// queueEntry points into the message, which stays as it is.
func queueEntry(m *Outgoing) types.SendMessageBatchRequestEntry {
	e := types.SendMessageBatchRequestEntry{
		MessageBody:  &m.Body,
		DelaySeconds: int32(m.Delay / time.Second),
	}
	if len(m.Attributes) > 0 {
		e.MessageAttributes = make(map[string]types.MessageAttributeValue, len(m.Attributes))
	}
	values := make([]string, 0, len(m.Attributes))
	for name, value := range m.Attributes {
		values = append(values, value)
		v := types.MessageAttributeValue{DataType: &stringType, StringValue: &values[len(values)-1]}
		if name == AttributePayloadSize {
			v.DataType = &numberType
		}
		e.MessageAttributes[name] = v
	}
	if m.Group != "" {
		e.MessageGroupId = &m.Group
	}
	if m.DedupID != "" {
		e.MessageDeduplicationId = &m.DedupID
	}
	if m.Trace != "" {
		e.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: &stringType, StringValue: &m.Trace},
		}
	}
	return e
}

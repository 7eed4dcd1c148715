package sqs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// peekVisibility hides messages while they are looked at; they are given back before that.
	peekVisibility = 30 * time.Second

	// searchVisibility hides what a search through a queue has passed over, so that it meets each once.
	searchVisibility = 2 * time.Minute
)

// AdminAPI is the part of [awssqs.Client] that [Admin] calls beyond [API].
type AdminAPI interface {
	API
	PurgeQueue(context.Context, *awssqs.PurgeQueueInput, ...func(*awssqs.Options)) (*awssqs.PurgeQueueOutput, error)
	StartMessageMoveTask(context.Context, *awssqs.StartMessageMoveTaskInput, ...func(*awssqs.Options)) (*awssqs.StartMessageMoveTaskOutput, error)
}

// Admin looks into queues and moves their messages, for operators and their tools. Its methods are
// safe for concurrent use and take a queue's name, URL or ARN.
type Admin struct{ api AdminAPI }

// NewAdmin makes an Admin.
func NewAdmin(api AdminAPI) *Admin { return &Admin{api: api} }

// Peeked is a message as [Admin.Peek] found it.
type Peeked struct {
	ID         string
	Body       string
	Attributes map[string]string // string attributes, [AttributeReason] among them
	Group      string            // FIFO or fair-queue group
	Source     string            // the queue that dead-lettered it, "" if unknown
	Receives   int               // this look included
	SentAt     time.Time
}

// Peek answers up to n messages and gives them back at once. It is a sample, not a listing: SQS has no
// other way to look than to receive, so the messages are hidden meanwhile and their receive counts grow;
// on a queue with a redrive policy, peeking often enough moves them.
func (a *Admin) Peek(ctx context.Context, queue string, n int) ([]Peeked, error) {
	url, err := resolve(ctx, a.api, queue)
	if err != nil {
		return nil, err
	}
	var seen []types.Message
	defer func() { a.giveBack(context.WithoutCancel(ctx), url, seen) }()
	for len(seen) < n {
		batch, err := a.receive(ctx, url, min(n-len(seen), maxBatch), peekVisibility)
		if err != nil {
			return nil, fmt.Errorf("sqs: peeking into queue %q: %w%s", queue, err, hint(err))
		}
		if len(batch) == 0 {
			break
		}
		seen = append(seen, batch...)
	}
	peeked := make([]Peeked, len(seen))
	for i, m := range seen {
		peeked[i] = newPeeked(m)
	}
	return peeked, nil
}

func newPeeked(raw types.Message) Peeked {
	m := message{raw: raw}
	m.readReceives()
	m.readSent()
	p := Peeked{
		ID: aws.ToString(raw.MessageId), Body: aws.ToString(raw.Body), Attributes: map[string]string{},
		Group: raw.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)], Source: source(raw),
		Receives: m.receives, SentAt: m.sent,
	}
	for name, v := range raw.MessageAttributes {
		if v.StringValue != nil {
			p.Attributes[name] = *v.StringValue
		}
	}
	return p
}

// source is the queue that a dead letter came from: SQS tells it of what it moved, we of what we sent.
func source(raw types.Message) string {
	if v, ok := raw.MessageAttributes[AttributeSource]; ok {
		return aws.ToString(v.StringValue)
	}
	arn := raw.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)]
	return arn[strings.LastIndexByte(arn, ':')+1:]
}

// RedriveAll starts SQS's own task that moves every message of a dead-letter queue back to where it came
// from, or to the queue named by to if that is not empty, and answers the task's handle. SQS runs one
// task for each queue at a time, moves up to 500 messages a second, and gives each a new id. Messages
// that this package dead-lettered have no origin that SQS knows: name the queue for them.
func (a *Admin) RedriveAll(ctx context.Context, deadLetters, to string) (task string, err error) {
	in := &awssqs.StartMessageMoveTaskInput{}
	if in.SourceArn, err = a.arn(ctx, deadLetters); err != nil {
		return "", err
	}
	if to != "" {
		if in.DestinationArn, err = a.arn(ctx, to); err != nil {
			return "", err
		}
	}
	out, err := a.api.StartMessageMoveTask(ctx, in)
	if err != nil {
		return "", fmt.Errorf("sqs: redriving queue %q: %w", deadLetters, err)
	}
	return aws.ToString(out.TaskHandle), nil
}

// Redrive sends the messages with the given ids back to the queue that each came from and deletes them
// from the dead-letter queue, in this order, so that none is lost; one may be sent twice. Messages that
// are passed over in the search stay hidden until it ends. The error joins one for each id that was not
// moved.
func (a *Admin) Redrive(ctx context.Context, deadLetters string, ids ...string) error {
	url, err := resolve(ctx, a.api, deadLetters)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var others []types.Message
	defer func() { a.giveBack(context.WithoutCancel(ctx), url, others) }()
	var errs []error
	for len(wanted) > 0 {
		batch, err := a.receive(ctx, url, maxBatch, searchVisibility)
		if err != nil {
			errs = append(errs, fmt.Errorf("sqs: searching queue %q: %w%s", deadLetters, err, hint(err)))
			break
		}
		if len(batch) == 0 {
			break
		}
		for _, m := range batch {
			id := aws.ToString(m.MessageId)
			if !wanted[id] {
				others = append(others, m)
				continue
			}
			delete(wanted, id)
			if err := a.sendBack(ctx, url, m); err != nil {
				errs = append(errs, fmt.Errorf("sqs: redriving message %s of queue %q: %w", id, deadLetters, err))
				others = append(others, m)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		errs = append(errs, fmt.Errorf("sqs: message %s was not found in queue %q: it may be in flight elsewhere", id, deadLetters))
	}
	return errors.Join(errs...)
}

func (a *Admin) sendBack(ctx context.Context, url string, m types.Message) error {
	origin := source(m)
	if origin == "" {
		return errors.New("its origin is unknown: move all messages with RedriveAll and name the queue")
	}
	to, err := resolve(ctx, a.api, origin)
	if err != nil {
		return err
	}
	attributes := maps.Clone(m.MessageAttributes)
	delete(attributes, AttributeReason)
	delete(attributes, AttributeSource)
	in := &awssqs.SendMessageInput{QueueUrl: aws.String(to), MessageBody: m.Body, MessageAttributes: attributes}
	if group, ok := m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; ok {
		in.MessageGroupId = aws.String(group)
	}
	if strings.HasSuffix(origin, ".fifo") {
		in.MessageDeduplicationId = m.MessageId // not the first one: its five minutes may not be over
	}
	if _, err := a.api.SendMessage(ctx, in); err != nil {
		return err
	}
	out, err := a.api.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{
		QueueUrl: aws.String(url), Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String(entryIDs[0]), ReceiptHandle: m.ReceiptHandle}},
	})
	if err == nil {
		err = entryErrors(1, out.Failed, nil)[0]
	}
	if err != nil {
		return fmt.Errorf("it was sent to %q and could not be deleted here, so it exists twice: %w", origin, err)
	}
	return nil
}

// Purge deletes every message of a queue, for ever. SQS takes up to 60 seconds for it, and one purge a
// minute.
func (a *Admin) Purge(ctx context.Context, queue string) error {
	url, err := resolve(ctx, a.api, queue)
	if err != nil {
		return err
	}
	if _, err := a.api.PurgeQueue(ctx, &awssqs.PurgeQueueInput{QueueUrl: aws.String(url)}); err != nil {
		return fmt.Errorf("sqs: purging queue %q: %w", queue, err)
	}
	return nil
}

func (a *Admin) arn(ctx context.Context, queue string) (*string, error) {
	url, err := resolve(ctx, a.api, queue)
	if err != nil {
		return nil, err
	}
	settings, err := attributesOf(ctx, a.api, url)
	if err != nil {
		return nil, fmt.Errorf("sqs: reading the ARN of queue %q: %w%s", queue, err, hint(err))
	}
	return aws.String(settings[string(types.QueueAttributeNameQueueArn)]), nil
}

// receive looks without waiting, but for as long as the queue's own setting says.
func (a *Admin) receive(ctx context.Context, url string, n int, visibility time.Duration) ([]types.Message, error) {
	out, err := a.api.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: aws.String(url), MaxNumberOfMessages: int32(n), VisibilityTimeout: int32(visibility / time.Second),
		WaitTimeSeconds:             1, // a poll that does not wait asks only some of SQS's servers
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// giveBack makes messages visible again; what fails returns when its visibility ends.
func (a *Admin) giveBack(ctx context.Context, url string, all []types.Message) {
	for batch := range slices.Chunk(all, maxBatch) {
		in := &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(url)}
		for i, m := range batch {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(entryIDs[i]), ReceiptHandle: m.ReceiptHandle})
		}
		_, _ = a.api.ChangeMessageVisibilityBatch(ctx, in)
	}
}

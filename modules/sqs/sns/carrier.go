package sns

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/fxpond/fxpond/modules/sqs"
)

// API is the part of [awssns.Client] that this package calls.
type API interface {
	PublishBatch(context.Context, *awssns.PublishBatchInput, ...func(*awssns.Options)) (*awssns.PublishBatchOutput, error)
}

// Carrier sends to topics. It is safe for concurrent use.
type Carrier struct {
	cfg Config
	api API
}

var _ sqs.Carrier = (*Carrier)(nil)

// NewCarrier makes a carrier for sqs.WithTopics.
func NewCarrier(cfg Config, api API) (*Carrier, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if api == nil {
		return nil, errors.New("sns: NewCarrier: no SNS client")
	}
	return &Carrier{cfg: cfg, api: api}, nil
}

// Open implements [sqs.Carrier]. It makes no request: whether there is such a topic shows when it is
// published to.
func (c *Carrier) Open(_ context.Context, arn string) (*sqs.Destination, error) {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	return &sqs.Destination{
		Name: name, FIFO: strings.HasSuffix(name, ".fifo"), MaxBytes: c.cfg.MaxBytes, Sender: topic{api: c.api, arn: arn},
	}, nil
}

// topic sends to one topic.
type topic struct {
	api API
	arn string
}

const stringType = "String"

// Size implements [sqs.Sender]: the body, and each attribute's name, type and value.
func (topic) Size(m *sqs.Outgoing) int {
	n := len(m.Body)
	for name, value := range m.Attributes {
		n += len(name) + len(stringType) + len(value)
	}
	return n
}

// Send implements [sqs.Sender].
func (t topic) Send(ctx context.Context, batch []*sqs.Outgoing) []sqs.Answer {
	in := &awssns.PublishBatchInput{TopicArn: aws.String(t.arn), PublishBatchRequestEntries: make([]types.PublishBatchRequestEntry, len(batch))}
	for i, m := range batch {
		in.PublishBatchRequestEntries[i] = entry(strconv.Itoa(i), m)
	}
	answers := make([]sqs.Answer, len(batch))
	out, err := t.api.PublishBatch(ctx, in)
	if err != nil {
		for i := range answers {
			answers[i].Err = err
		}
		return answers
	}
	for i := range answers {
		answers[i].Err = sqs.ErrNoAnswer
	}
	at := func(id *string, answer sqs.Answer) {
		if i, err := strconv.Atoi(aws.ToString(id)); err == nil && i >= 0 && i < len(answers) {
			answers[i] = answer
		}
	}
	for _, ok := range out.Successful {
		at(ok.Id, sqs.Answer{MessageID: aws.ToString(ok.MessageId), SequenceNumber: aws.ToString(ok.SequenceNumber)})
	}
	for _, no := range out.Failed {
		at(no.Id, sqs.Answer{Err: &sqs.EntryError{Code: aws.ToString(no.Code), Message: aws.ToString(no.Message), SenderFault: no.SenderFault}})
	}
	return answers
}

func entry(id string, m *sqs.Outgoing) types.PublishBatchRequestEntry {
	e := types.PublishBatchRequestEntry{Id: aws.String(id), Message: aws.String(m.Body)}
	if len(m.Attributes) > 0 {
		e.MessageAttributes = make(map[string]types.MessageAttributeValue, len(m.Attributes))
	}
	for name, value := range m.Attributes {
		e.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(stringType), StringValue: aws.String(value)}
	}
	if m.Group != "" {
		e.MessageGroupId = aws.String(m.Group)
	}
	if m.DedupID != "" {
		e.MessageDeduplicationId = aws.String(m.DedupID)
	}
	return e
}

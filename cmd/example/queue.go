package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// queue is where the messages go: SQS inside the process, or AWS when SQS_QUEUE names a queue.
type queue struct {
	fx.Out
	Config sqs.Config
	Client *awssqs.Client
	Place  *place
}

// place tells the two apart.
type place struct {
	server *sqslocal.Server // nil on AWS
	client *awssqs.Client
	name   string
}

const localQueue = "users"

func newQueue(lc fx.Lifecycle, f flags) (queue, error) {
	p := &place{name: os.Getenv("SQS_QUEUE")}
	ctx := context.Background()
	var err error
	if p.name != "" {
		p.client, err = sqs.NewClient(ctx)
	} else {
		p.name = localQueue
		err = p.startLocal(ctx, f)
	}
	if err != nil {
		return queue{}, err
	}
	if p.server != nil {
		lc.Append(fx.StopHook(p.server.Close))
	}
	cfg := sqs.Queue{Name: p.name}
	if f.input != "" {
		cfg.Event = "input.line" // for bodies that do not say what they are
	}
	return queue{Config: sqs.Config{Queues: []sqs.Queue{cfg}}, Client: p.client, Place: p}, nil
}

// startLocal starts an SQS and makes the queue with its dead-letter queue.
func (p *place) startLocal(ctx context.Context, f flags) error {
	start := sqslocal.Start
	if f.graph {
		start = sqslocal.New // nobody will stop it, so it opens no socket
	}
	server, err := start(sqslocal.Config{})
	if err != nil {
		return err
	}
	p.server, p.client = server, server.Client(sqs.ForPollers)
	dead, err := p.client.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: aws.String(p.name + "-dead")})
	if err != nil {
		return err
	}
	arn, err := p.attributes(ctx, aws.ToString(dead.QueueUrl))
	if err != nil {
		return err
	}
	_, err = p.client.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: aws.String(p.name), Attributes: map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":5}`, arn["QueueArn"]),
	}})
	return err
}

func (p *place) attributes(ctx context.Context, url string) (map[string]string, error) {
	out, err := p.client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (p *place) url(ctx context.Context, name string) (string, error) {
	out, err := p.client.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: aws.String(name)})
	if err != nil {
		return "", fmt.Errorf("queue %q: %w", name, err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// depth counts a queue's messages, whatever their state.
func (p *place) depth(ctx context.Context, name string) (int, error) {
	url, err := p.url(ctx, name)
	if err != nil {
		return 0, err
	}
	attributes, err := p.attributes(ctx, url)
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, state := range []string{"", "NotVisible", "Delayed"} {
		n, err := strconv.Atoi(attributes["ApproximateNumberOfMessages"+state])
		if err != nil {
			return 0, fmt.Errorf("queue %q: %w", name, err)
		}
		sum += n
	}
	return sum, nil
}

// deadLetterQueue is where the queue's redrive policy sends what always fails, "" if nowhere.
func (p *place) deadLetterQueue(ctx context.Context) (string, error) {
	url, err := p.url(ctx, p.name)
	if err != nil {
		return "", err
	}
	attributes, err := p.attributes(ctx, url)
	if err != nil || attributes["RedrivePolicy"] == "" {
		return "", err
	}
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(attributes["RedrivePolicy"]), &policy); err != nil {
		return "", fmt.Errorf("redrive policy of queue %q: %w", p.name, err)
	}
	return policy.Target[strings.LastIndexByte(policy.Target, ':')+1:], nil
}

// reasons counts what the dead-letter queue's messages say of themselves. Only the queue inside this
// process is looked into: reading a queue on AWS would hide its messages for a while.
func (p *place) reasons(ctx context.Context, dead string) (map[string]int, error) {
	reasons := map[string]int{}
	if p.server == nil || dead == "" {
		return reasons, nil
	}
	url, err := p.url(ctx, dead)
	if err != nil {
		return nil, err
	}
	for {
		out, err := p.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl: aws.String(url), MaxNumberOfMessages: 10, MessageAttributeNames: []string{sqs.AttributeReason},
		})
		if err != nil {
			return nil, err
		}
		if len(out.Messages) == 0 {
			return reasons, nil
		}
		for _, m := range out.Messages {
			reason := "it failed too often"
			if v, ok := m.MessageAttributes[sqs.AttributeReason]; ok {
				reason = aws.ToString(v.StringValue)
			}
			reasons[reason]++
		}
	}
}

// endPollsFirst lets the long poll in flight end before the consumer stops; on AWS the stop waits for it.
func endPollsFirst(lc fx.Lifecycle, p *place, _ *sqs.Consumer) {
	if p.server != nil {
		lc.Append(fx.StopHook(p.server.EndPolls))
	}
}

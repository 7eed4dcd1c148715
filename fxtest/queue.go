package fxtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// createQueue makes a queue and its dead-letter queue, unless there is one of that name.
func (a *App) createQueue(ref string) error {
	ctx := context.Background()
	name := ref[strings.LastIndexAny(ref, ":/")+1:]
	_, err := a.Client.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: aws.String(name)})
	if err == nil {
		return nil
	}
	if missing := (*types.QueueDoesNotExist)(nil); !errors.As(err, &missing) {
		return fmt.Errorf("looking for queue %q: %w", name, err)
	}
	dead, err := a.create(ctx, deadLetterName(name), nil)
	if err != nil {
		return err
	}
	_, err = a.create(ctx, name, map[string]string{
		string(types.QueueAttributeNameRedrivePolicy): fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, dead, MaxReceives),
	})
	return err
}

// create answers the queue's ARN.
func (a *App) create(ctx context.Context, name string, attributes map[string]string) (string, error) {
	if strings.HasSuffix(name, ".fifo") {
		if attributes == nil {
			attributes = map[string]string{}
		}
		attributes[string(types.QueueAttributeNameFifoQueue)] = "true"
	}
	made, err := a.Client.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("creating queue %q: %w", name, err)
	}
	out, err := a.Client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", fmt.Errorf("reading the ARN of queue %q: %w", name, err)
	}
	return out.Attributes[string(types.QueueAttributeNameQueueArn)], nil
}

// Depth counts the messages of a queue in every state: visible, in flight, delayed.
func (a *App) Depth(queue string) int {
	a.t.Helper()
	ctx := context.Background()
	url, err := a.Client.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: aws.String(queue)})
	if err != nil {
		a.t.Fatalf("fxtest: looking for queue %q: %v", queue, err)
	}
	out, err := a.Client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: url.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		a.t.Fatalf("fxtest: reading the depth of queue %q: %v", queue, err)
	}
	depth := 0
	for _, name := range []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	} {
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // SQS sends numbers
		depth += n
	}
	return depth
}

// DeadLetters counts the messages in the dead-letter queue of a queue.
func (a *App) DeadLetters(queue string) int {
	a.t.Helper()
	return a.Depth(deadLetterName(queue))
}

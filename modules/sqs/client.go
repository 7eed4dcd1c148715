package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// API is the part of [awssqs.Client] that this package calls. A wrapper of your own may stand in.
type API interface {
	GetQueueUrl(context.Context, *awssqs.GetQueueUrlInput, ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error)
	GetQueueAttributes(context.Context, *awssqs.GetQueueAttributesInput, ...func(*awssqs.Options)) (*awssqs.GetQueueAttributesOutput, error)
	ReceiveMessage(context.Context, *awssqs.ReceiveMessageInput, ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *awssqs.DeleteMessageBatchInput, ...func(*awssqs.Options)) (*awssqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *awssqs.ChangeMessageVisibilityBatchInput, ...func(*awssqs.Options)) (*awssqs.ChangeMessageVisibilityBatchOutput, error)
	SendMessage(context.Context, *awssqs.SendMessageInput, ...func(*awssqs.Options)) (*awssqs.SendMessageOutput, error)
	SendMessageBatch(context.Context, *awssqs.SendMessageBatchInput, ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error)
}

// NewClient builds an SQS client from the SDK's own chain of environment, files and roles, set up for
// long-lived pollers. It reads local files and makes no request; an error names what the chain lacks.
func NewClient(ctx context.Context, opts ...func(*awssqs.Options)) (*awssqs.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqs: reading the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("sqs: no AWS region is configured: set AWS_REGION (and AWS_ENDPOINT_URL_SQS for an emulator)")
	}
	return awssqs.NewFromConfig(cfg, append([]func(*awssqs.Options){ForPollers}, opts...)...), nil
}

// ForPollers is an option for an SQS client of your own. It does what long-lived pollers need: idle
// connections are kept for as many requests as are in flight (net/http keeps two for each host), a request
// is written at once and ten messages are read at once, the endpoint is worked out once and not for each
// request, and the SDK's retry quota is lifted, since an outage would drain the quota that all pollers
// share and starve the first requests after it. Attempts stay capped at three for each call.
func ForPollers(o *awssqs.Options) {
	if o.EndpointResolverV2 != nil {
		o.EndpointResolverV2 = &endpointMemo{next: o.EndpointResolverV2}
	}
	o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = 3
		s.MaxBackoff = 2 * time.Second
		s.RateLimiter = ratelimit.None
	})
	client, ok := o.HTTPClient.(*awshttp.BuildableClient)
	if !ok && o.HTTPClient != nil {
		return // the caller brought a transport of their own
	}
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	o.HTTPClient = wholeBodies{client.WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 0 // no cap over all hosts: there is one
		t.MaxIdleConnsPerHost = 256
		t.IdleConnTimeout = 90 * time.Second
		t.ReadBufferSize, t.WriteBufferSize = 16<<10, 16<<10 // ten messages in one read: net/http's 4 KiB take three
	})}
}

// receiving turns off what the poller does better itself: a failed receive is repeated with a back-off of
// its own, and a body that does not match its checksum fails alone and not with the nine others.
func receiving(o *awssqs.Options) {
	once(o)
	o.DisableMessageChecksumValidation = true
}

// once turns off the SDK's retries for a call whose caller makes them itself. The SDK's wait up to a second
// in the depth of its middlewares; a delete that failed had better travel with the next ones.
func once(o *awssqs.Options) { o.Retryer = aws.NopRetryer{} }

var errNoClient = errors.New("sqs: there is no SQS client: make one with NewClient, or supply an *sqs.Client of the SDK to the app")

// resolve finds a queue's URL by its name or ARN; a URL is taken as it is.
func resolve(ctx context.Context, api API, ref string) (string, error) {
	name, err := queueName(ref)
	if err != nil {
		return "", fmt.Errorf("sqs: queue %q: %w", ref, err)
	}
	if api == nil {
		return "", errNoClient
	}
	if strings.Contains(ref, "://") {
		return ref, nil
	}
	in := &awssqs.GetQueueUrlInput{QueueName: aws.String(name)}
	if arn := strings.Split(ref, ":"); len(arn) == 6 { // arn:aws:sqs:region:account:name
		in.QueueOwnerAWSAccountId = aws.String(arn[4])
	}
	out, err := api.GetQueueUrl(ctx, in)
	if err != nil {
		return "", fmt.Errorf("sqs: finding queue %q: %w%s", ref, err, hint(err))
	}
	return aws.ToString(out.QueueUrl), nil
}

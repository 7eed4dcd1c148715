package conformance

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// attrs is short for a queue's attributes.
type attrs = map[string]string

func (p *probe) queueName() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues++
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, p.name)
	return fmt.Sprintf("%.60s-%d", clean, p.queues)
}

// queue creates a queue with a name of its own.
func (p *probe) queue(a attrs) string { return p.named(p.queueName(), a) }

// fifo creates a FIFO queue with content-based deduplication, unless a says otherwise.
func (p *probe) fifo(a attrs) string {
	with := attrs{"FifoQueue": "true", "ContentBasedDeduplication": "true"}
	maps.Copy(with, a)
	return p.named(p.queueName()+".fifo", with)
}

func (p *probe) named(name string, a attrs) string {
	out, err := p.client.CreateQueue(p.ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: a})
	p.noError(err)
	return aws.ToString(out.QueueUrl)
}

func (p *probe) attributes(url string, names ...types.QueueAttributeName) attrs {
	if names == nil {
		names = []types.QueueAttributeName{types.QueueAttributeNameAll}
	}
	out, err := p.client.GetQueueAttributes(p.ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	p.noError(err)
	return out.Attributes
}

func (p *probe) arn(url string) string { return p.attributes(url)["QueueArn"] }

// withDeadLetters creates a queue and its dead-letter queue.
func (p *probe) withDeadLetters(maxReceives int, a attrs) (url, dlq string) {
	fifo := a["FifoQueue"] == "true"
	create := p.queue
	if fifo {
		create = p.fifo
	}
	dlq = create(nil)
	with := attrs{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, p.arn(dlq), maxReceives)}
	maps.Copy(with, a)
	return create(with), dlq
}

func (p *probe) send(url, body string, options ...func(*awssqs.SendMessageInput)) *awssqs.SendMessageOutput {
	in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, o := range options {
		o(in)
	}
	out, err := p.client.SendMessage(p.ctx, in)
	p.noError(err)
	return out
}

func (p *probe) sendError(url, body string, options ...func(*awssqs.SendMessageInput)) error {
	in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, o := range options {
		o(in)
	}
	_, err := p.client.SendMessage(p.ctx, in)
	return err
}

func group(id string) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.MessageGroupId = &id }
}

func dedupID(id string) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.MessageDeduplicationId = &id }
}

func delay(seconds int32) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.DelaySeconds = seconds }
}

func with(name string, v types.MessageAttributeValue) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) {
		if in.MessageAttributes == nil {
			in.MessageAttributes = map[string]types.MessageAttributeValue{}
		}
		in.MessageAttributes[name] = v
	}
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

// receive asks once for up to ten messages with all that can be told about them.
func (p *probe) receive(url string, options ...func(*awssqs.ReceiveMessageInput)) []types.Message {
	in := &awssqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	}
	for _, o := range options {
		o(in)
	}
	out, err := p.client.ReceiveMessage(p.ctx, in)
	p.noError(err)
	return out.Messages
}

func wait(seconds int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
}

func most(n int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.MaxNumberOfMessages = n }
}

func hidden(seconds int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.VisibilityTimeout = seconds }
}

func attempt(id string) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.ReceiveRequestAttemptId = &id }
}

// one receives exactly one message, waiting for it if need be.
func (p *probe) one(url string, options ...func(*awssqs.ReceiveMessageInput)) types.Message {
	got := p.receive(url, append([]func(*awssqs.ReceiveMessageInput){wait(10)}, options...)...)
	p.check(len(got) == 1, "received %d messages, want 1", len(got))
	return got[0]
}

// drain receives and deletes until n bodies have come, and returns them sorted.
func (p *probe) drain(url string, n int) []string {
	var bodies []string
	for len(bodies) < n {
		got := p.receive(url, wait(5))
		p.check(len(got) > 0, "got %d messages, want %d", len(bodies), n)
		for _, m := range got {
			bodies = append(bodies, *m.Body)
			p.remove(url, m)
		}
	}
	slices.Sort(bodies)
	return bodies
}

func (p *probe) remove(url string, m types.Message) { p.noError(p.removeError(url, *m.ReceiptHandle)) }

func (p *probe) removeError(url, handle string) error {
	_, err := p.client.DeleteMessage(p.ctx, &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &handle})
	return err
}

func (p *probe) hide(url string, m types.Message, seconds int32) {
	p.noError(p.hideError(url, *m.ReceiptHandle, seconds))
}

func (p *probe) hideError(url, handle string, seconds int32) error {
	_, err := p.client.ChangeMessageVisibility(p.ctx, &awssqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: &handle, VisibilityTimeout: seconds,
	})
	return err
}

// code checks an error's code and its status. The code may be with or without the namespace of the Query protocol, which one
// case checks for all, so that an endpoint which differs there can still be a witness for the rest.
func (p *probe) code(err error, want string, status int) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		p.fatalf("got error %v, want code %s", err, want)
	}
	if bare(api.ErrorCode()) != bare(want) {
		p.fatalf("got code %s (%s), want %s", api.ErrorCode(), api.ErrorMessage(), want)
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() != status {
		p.fatalf("got status %d with %s, want %d", response.HTTPStatusCode(), want, status)
	}
}

func bare(code string) string { return strings.TrimPrefix(code, "AWS.SimpleQueueService.") }

// answer is a raw HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends a raw request.
func (p *probe) post(path, body string, headers ...string) answer {
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.endpoint+path, strings.NewReader(body))
	p.noError(err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return p.do(r)
}

func (p *probe) do(r *http.Request) answer {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.fatalf("no answer: %v", err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	raw, err := io.ReadAll(response.Body)
	p.noError(err)
	return answer{response.StatusCode, response.Header, string(raw)}
}

// json calls an action of the JSON protocol with a raw body.
func (p *probe) json(action, body string) answer {
	return p.post("/", body, "Content-Type", "application/x-amz-json-1.0", "X-Amz-Target", "AmazonSQS."+action,
		"Authorization", "AWS4-HMAC-SHA256 Credential=conformance/20261123/us-east-1/sqs/aws4_request")
}

// query calls an action of the Query protocol with a form.
func (p *probe) query(path, form string) answer {
	return p.post(path, form, "Content-Type", "application/x-www-form-urlencoded",
		"Authorization", "AWS4-HMAC-SHA256 Credential=conformance/20261123/us-east-1/sqs/aws4_request")
}

package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	noQueue         = "AWS.SimpleQueueService.NonExistentQueue"
	invalidValue    = "InvalidParameterValue"
	missing         = "MissingParameter"
	invalidName     = "InvalidAttributeName"
	invalidAttrib   = "InvalidAttributeValue"
	invalidHandle   = "ReceiptHandleIsInvalid"
	invalidContents = "InvalidMessageContents"
)

func (p *probe) createError(name string, a attrs) error {
	_, err := p.client.CreateQueue(p.ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: a})
	return err
}

// redrive is the attribute that names target as the dead-letter queue.
func redrive(target string, receives any) attrs {
	return attrs{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%v}`, target, receives)}
}

var queueCases = []conformanceCase{
	{"creating again returns the same url", "api:CreateQueue", func(p *probe) {
		name := p.queueName()
		first := p.named(name, attrs{"VisibilityTimeout": "40"})
		p.check(p.named(name, attrs{"VisibilityTimeout": "40"}) == first, "another url")
		p.check(p.named(name, nil) == first, "another url without attributes")
	}},
	{"creating again with another value is QueueNameExists", "api:CreateQueue", func(p *probe) {
		name := p.queueName()
		p.named(name, attrs{"VisibilityTimeout": "40"})
		err := p.createError(name, attrs{"VisibilityTimeout": "41"})
		p.code(err, "QueueAlreadyExists", 400)
		var typed *types.QueueNameExists
		p.check(errors.As(err, &typed), "not typed: %v", err)
	}},
	{"queue names are checked", "api:CreateQueue", func(p *probe) {
		for _, name := range []string{"with space", "dot.dot", "ümlaut", strings.Repeat("x", 81), "slash/y", "a.fifo"} {
			p.code(p.createError(name, nil), invalidValue, 400)
		}
		p.named(strings.Repeat("y", 80-len(p.queueName()))+p.queueName(), nil)
	}},
	{"fifo queue names need the suffix and the attribute", "api:CreateQueue", func(p *probe) {
		p.code(p.createError(p.queueName(), attrs{"FifoQueue": "true"}), invalidValue, 400)
		p.named(p.queueName()+".fifo", attrs{"FifoQueue": "true"})
	}},
	{"get queue url", "api:GetQueueUrl", func(p *probe) {
		name := p.queueName()
		url := p.named(name, nil)
		out, err := p.client.GetQueueUrl(p.ctx, &awssqs.GetQueueUrlInput{QueueName: &name})
		p.noError(err)
		p.check(*out.QueueUrl == url, "got %s, want %s", *out.QueueUrl, url)
	}},
	{"an unknown queue has both not-found names", "api:GetQueueUrl", func(p *probe) {
		_, err := p.client.GetQueueUrl(p.ctx, &awssqs.GetQueueUrlInput{QueueName: aws.String("no-such-queue")})
		p.code(err, noQueue, 400)
		var typed *types.QueueDoesNotExist
		p.check(errors.As(err, &typed), "not typed: %v", err)
	}},
	{"an unknown queue fails every action", "api:SendMessage", func(p *probe) {
		url := p.queue(nil) + "-gone"
		p.code(p.sendError(url, "x"), noQueue, 400)
		_, err := p.client.ReceiveMessage(p.ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url})
		p.code(err, noQueue, 400)
		_, err = p.client.PurgeQueue(p.ctx, &awssqs.PurgeQueueInput{QueueUrl: &url})
		p.code(err, noQueue, 400)
		_, err = p.client.GetQueueAttributes(p.ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url})
		p.code(err, noQueue, 400)
		_, err = p.client.ListQueueTags(p.ctx, &awssqs.ListQueueTagsInput{QueueUrl: &url})
		p.code(err, noQueue, 400)
	}},
	{"list queues by prefix", "api:ListQueues", func(p *probe) {
		prefix := p.queueName()
		want := []string{p.named(prefix+"-a", nil), p.named(prefix+"-b", nil)}
		out, err := p.client.ListQueues(p.ctx, &awssqs.ListQueuesInput{QueueNamePrefix: &prefix})
		p.noError(err)
		slices.Sort(out.QueueUrls)
		p.check(slices.Equal(out.QueueUrls, want), "got %v", out.QueueUrls)
	}},
	{"list queues in pages", "api:ListQueues", func(p *probe) {
		prefix := p.queueName()
		var want, got []string
		for i := range 5 {
			want = append(want, p.named(fmt.Sprintf("%s-%d", prefix, i), nil))
		}
		in := &awssqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)}
		for range 3 {
			out, err := p.client.ListQueues(p.ctx, in)
			p.noError(err)
			p.check(len(out.QueueUrls) <= 2, "page of %d", len(out.QueueUrls))
			got = append(got, out.QueueUrls...)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		slices.Sort(got)
		p.check(in.NextToken == nil && slices.Equal(got, want), "got %v", got)
	}},
	{"deleting a queue", "api:DeleteQueue", func(p *probe) {
		url := p.queue(nil)
		_, err := p.client.DeleteQueue(p.ctx, &awssqs.DeleteQueueInput{QueueUrl: &url})
		p.noError(err)
		p.code(p.sendError(url, "x"), noQueue, 400)
	}},
	{"a deleted name rests for a minute", "api:DeleteQueue", func(p *probe) {
		name := p.queueName()
		url := p.named(name, nil)
		_, err := p.client.DeleteQueue(p.ctx, &awssqs.DeleteQueueInput{QueueUrl: &url})
		p.noError(err)
		p.code(p.createError(name, nil), "AWS.SimpleQueueService.QueueDeletedRecently", 400)
	}},
	{"purge takes visible, in-flight and delayed", "api:PurgeQueue", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "in flight")
		m := p.one(url)
		p.send(url, "visible")
		p.send(url, "delayed", delay(5))
		_, err := p.client.PurgeQueue(p.ctx, &awssqs.PurgeQueueInput{QueueUrl: &url})
		p.noError(err)
		a := p.attributes(url)
		for _, n := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
			p.check(a[n] == "0", "%s is %s", n, a[n])
		}
		p.noError(p.removeError(url, *m.ReceiptHandle))
	}},
	{"a second purge within a minute fails", "api:PurgeQueue", func(p *probe) {
		url := p.queue(nil)
		_, err := p.client.PurgeQueue(p.ctx, &awssqs.PurgeQueueInput{QueueUrl: &url})
		p.noError(err)
		_, err = p.client.PurgeQueue(p.ctx, &awssqs.PurgeQueueInput{QueueUrl: &url})
		p.code(err, "AWS.SimpleQueueService.PurgeQueueInProgress", 403)
	}},
	{"tags are set, listed and removed", "api:TagQueue", func(p *probe) {
		name := p.queueName()
		out, err := p.client.CreateQueue(p.ctx, &awssqs.CreateQueueInput{QueueName: &name, Tags: attrs{"team": "a"}})
		p.noError(err)
		_, err = p.client.TagQueue(p.ctx, &awssqs.TagQueueInput{QueueUrl: out.QueueUrl, Tags: attrs{"env": "test", "team": "b"}})
		p.noError(err)
		_, err = p.client.UntagQueue(p.ctx, &awssqs.UntagQueueInput{QueueUrl: out.QueueUrl, TagKeys: []string{"env", "unknown"}})
		p.noError(err)
		tags, err := p.client.ListQueueTags(p.ctx, &awssqs.ListQueueTagsInput{QueueUrl: out.QueueUrl})
		p.noError(err)
		p.check(len(tags.Tags) == 1 && tags.Tags["team"] == "b", "tags %v", tags.Tags)
	}},
	{"permissions are added and removed", "api:AddPermission", func(p *probe) {
		url := p.queue(nil)
		_, err := p.client.AddPermission(p.ctx, &awssqs.AddPermissionInput{
			QueueUrl: &url, Label: aws.String("share"), AWSAccountIds: []string{"123456789012"}, Actions: []string{"SendMessage"},
		})
		p.noError(err)
		p.check(strings.Contains(p.attributes(url)["Policy"], "share"), "policy %s", p.attributes(url)["Policy"])
		_, err = p.client.RemovePermission(p.ctx, &awssqs.RemovePermissionInput{QueueUrl: &url, Label: aws.String("share")})
		p.noError(err)
		_, err = p.client.RemovePermission(p.ctx, &awssqs.RemovePermissionInput{QueueUrl: &url, Label: aws.String("share")})
		p.code(err, invalidValue, 400)
	}},
}

var attributeCases = []conformanceCase{
	{"defaults", "api:CreateQueue", func(p *probe) {
		a := p.attributes(p.queue(nil))
		for name, want := range (attrs{
			"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
			"MaximumMessageSize": "1048576", "SqsManagedSseEnabled": "true",
		}) {
			p.check(a[name] == want, "%s is %q, want %q", name, a[name], want)
		}
		p.check(a["FifoQueue"] == "", "FifoQueue on a standard queue")
	}},
	{"fifo defaults", "api:CreateQueue", func(p *probe) {
		a := p.attributes(p.named(p.queueName()+".fifo", attrs{"FifoQueue": "true"}))
		for name, want := range (attrs{
			"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue",
		}) {
			p.check(a[name] == want, "%s is %q, want %q", name, a[name], want)
		}
	}},
	{"numbers out of range", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		for name, values := range map[string][]string{
			"VisibilityTimeout": {"-1", "43201", "x", ""}, "DelaySeconds": {"-1", "901"}, "MessageRetentionPeriod": {"59", "1209601"},
			"ReceiveMessageWaitTimeSeconds": {"-1", "21"}, "MaximumMessageSize": {"1023", "1048577"}, "KmsDataKeyReusePeriodSeconds": {"59", "86401"},
		} {
			for _, value := range values {
				p.code(p.setError(url, attrs{name: value}), invalidAttrib, 400)
			}
		}
	}},
	{"numbers at the edges of their range", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		for _, a := range []attrs{
			{"VisibilityTimeout": "0", "DelaySeconds": "0", "MessageRetentionPeriod": "60", "ReceiveMessageWaitTimeSeconds": "0", "MaximumMessageSize": "1024"},
			{"VisibilityTimeout": "43200", "DelaySeconds": "900", "MessageRetentionPeriod": "1209600", "ReceiveMessageWaitTimeSeconds": "20", "MaximumMessageSize": "1048576"},
		} {
			p.noError(p.setError(url, a))
			got := p.attributes(url)
			for name, want := range a {
				p.check(got[name] == want, "%s is %s, want %s", name, got[name], want)
			}
		}
	}},
	{"an unknown attribute", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		p.code(p.setError(url, attrs{"Colour": "red"}), invalidName, 400)
		p.code(p.createError(p.queueName(), attrs{"Colour": "red"}), invalidName, 400)
		_, err := p.client.GetQueueAttributes(p.ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"}})
		p.code(err, invalidName, 400)
	}},
	{"read-only attributes cannot be set", "api:SetQueueAttributes", func(p *probe) {
		p.code(p.setError(p.queue(nil), attrs{"QueueArn": "arn:aws:sqs:us-east-1:1:x"}), invalidName, 400)
	}},
	{"fifo attributes on a standard queue", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		p.code(p.setError(url, attrs{"ContentBasedDeduplication": "true"}), invalidName, 400)
		p.code(p.setError(url, attrs{"DeduplicationScope": "queue"}), invalidName, 400)
	}},
	{"attributes are returned when asked for", "api:GetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		got := p.attributes(url, "VisibilityTimeout", "QueueArn")
		p.check(len(got) == 2 && got["VisibilityTimeout"] == "30", "got %v", got)
		out, err := p.client.GetQueueAttributes(p.ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url})
		p.noError(err)
		p.check(len(out.Attributes) == 0, "unasked: %v", out.Attributes)
	}},
	{"the policy is kept", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		policy := `{"Version":"2012-10-17","Statement":[]}`
		p.noError(p.setError(url, attrs{"Policy": policy}))
		p.check(p.attributes(url)["Policy"] == policy, "policy %q", p.attributes(url)["Policy"])
		p.noError(p.setError(url, attrs{"Policy": ""}))
		p.check(p.attributes(url)["Policy"] == "", "policy stays")
	}},
	{"high throughput needs the group scope", "api:SetQueueAttributes", func(p *probe) {
		url := p.fifo(nil)
		p.check(p.setError(url, attrs{"FifoThroughputLimit": "perMessageGroupId"}) != nil, "accepted")
		p.noError(p.setError(url, attrs{"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"}))
	}},
}

func (p *probe) setError(url string, a attrs) error {
	_, err := p.client.SetQueueAttributes(p.ctx, &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: a})
	return err
}

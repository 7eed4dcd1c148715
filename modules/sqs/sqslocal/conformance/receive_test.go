package conformance

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// polled is the answer of a receive that runs in the background.
type polled struct {
	messages []types.Message
	err      error
	took     time.Duration
}

// poll receives in the background.
func (p *probe) poll(ctx context.Context, url string, seconds int32) <-chan polled {
	out := make(chan polled, 1)
	start := time.Now()
	go func() {
		got, err := p.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl: &url, WaitTimeSeconds: seconds, MaxNumberOfMessages: 10,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		one := polled{err: err, took: time.Since(start)}
		if err == nil {
			one.messages = got.Messages
		}
		out <- one
	}()
	return out
}

// settle gives a request that runs in the background time to arrive. There is no signal for it from outside.
func settle() { <-time.After(300 * time.Millisecond) }

// arrived waits for a poll that must end with one message well before its wait does.
func (p *probe) arrived(answer <-chan polled, seconds int) types.Message {
	got := <-answer
	p.noError(got.err)
	p.check(len(got.messages) == 1, "poll got %d messages, want 1", len(got.messages))
	p.check(got.took < time.Duration(seconds)*time.Second, "poll took %v: it did not wake", got.took)
	return got.messages[0]
}

var receiveCases = []conformanceCase{
	{"one message unless more are asked for", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		_, err := p.sendBatch(url, entries(3, "x"))
		p.noError(err)
		out, err := p.client.ReceiveMessage(p.ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url})
		p.noError(err)
		p.check(len(out.Messages) == 1, "got %d", len(out.Messages))
	}},
	{"numbers out of range in a receive", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		for _, in := range []awssqs.ReceiveMessageInput{
			{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {WaitTimeSeconds: -1}, {VisibilityTimeout: 43201}, {VisibilityTimeout: -1},
		} {
			in.QueueUrl = &url
			_, err := p.client.ReceiveMessage(p.ctx, &in)
			p.code(err, invalidValue, 400)
		}
	}},
	{"an explicit zero maximum", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		a := p.json("ReceiveMessage", `{"QueueUrl":"`+url+`","MaxNumberOfMessages":0}`)
		p.check(a.status == 400, "status %d %s", a.status, a.body)
	}},
	{"system attributes", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		before := time.Now().Add(-time.Minute).UnixMilli()
		p.send(url, "x")
		m := p.one(url)
		p.check(m.Attributes["ApproximateReceiveCount"] == "1", "count %s", m.Attributes["ApproximateReceiveCount"])
		p.check(m.Attributes["SenderId"] != "", "no sender")
		for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
			ms, err := strconv.ParseInt(m.Attributes[name], 10, 64)
			p.check(err == nil && ms > before && ms < time.Now().Add(time.Minute).UnixMilli(), "%s is %q", name, m.Attributes[name])
		}
	}},
	{"system attributes by name, the old parameter too", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		m := p.one(url, func(in *awssqs.ReceiveMessageInput) {
			in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"ApproximateReceiveCount"}
			in.AttributeNames = []types.QueueAttributeName{"SentTimestamp"} //nolint:staticcheck // older clients send it
		})
		p.check(len(m.Attributes) == 2, "attributes %v", m.Attributes)
	}},
	{"a short poll does not wait", "dg:sqs-short-and-long-polling", func(p *probe) {
		got := <-p.poll(p.ctx, p.queue(nil), 0)
		p.noError(got.err)
		p.check(len(got.messages) == 0 && got.took < time.Second, "took %v", got.took)
	}},
	{"a long poll waits to its end", "dg:sqs-short-and-long-polling", func(p *probe) {
		got := <-p.poll(p.ctx, p.queue(nil), 1)
		p.noError(got.err)
		p.check(len(got.messages) == 0 && got.took > 900*time.Millisecond, "took %v", got.took)
	}},
	{"the queue's wait time", "api:SetQueueAttributes", func(p *probe) {
		got := <-p.poll(p.ctx, p.queue(attrs{"ReceiveMessageWaitTimeSeconds": "1"}), 0)
		p.noError(got.err)
		p.check(got.took > 900*time.Millisecond, "took %v", got.took)
	}},
	{"a long poll wakes on arrival", "dg:sqs-short-and-long-polling", func(p *probe) {
		url := p.queue(nil)
		answer := p.poll(p.ctx, url, 15)
		settle()
		p.send(url, "x")
		p.arrived(answer, 10)
	}},
	{"a long poll wakes when a delay ends", "dg:sqs-short-and-long-polling", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x", delay(1))
		p.arrived(p.poll(p.ctx, url, 15), 10)
	}},
	{"a long poll wakes when visibility ends", "dg:sqs-short-and-long-polling", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		p.one(url, hidden(1))
		m := p.arrived(p.poll(p.ctx, url, 15), 10)
		p.check(m.Attributes["ApproximateReceiveCount"] == "2", "count %s", m.Attributes["ApproximateReceiveCount"])
	}},
	{"a long poll wakes on release", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		m := p.one(url)
		answer := p.poll(p.ctx, url, 15)
		settle()
		p.hide(url, m, 0)
		p.arrived(answer, 10)
	}},
	{"a long poll wakes when its fifo group unlocks", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url := p.fifo(nil)
		p.send(url, "1", group("g"))
		m := p.one(url)
		p.send(url, "2", group("g"))
		answer := p.poll(p.ctx, url, 15)
		settle()
		p.remove(url, m)
		p.check(*p.arrived(answer, 10).Body == "2", "another message")
	}},
	{"a cancelled poll takes nothing", "dg:sqs-short-and-long-polling", func(p *probe) {
		url := p.queue(nil)
		ctx, cancel := context.WithCancel(p.ctx)
		answer := p.poll(ctx, url, 15)
		settle()
		cancel()
		<-answer
		settle()
		p.send(url, "x")
		m := p.one(url)
		p.check(m.Attributes["ApproximateReceiveCount"] == "1", "the cancelled poll took it")
	}},
	{"a poll that lost the race keeps waiting", "dg:sqs-short-and-long-polling", func(p *probe) {
		url := p.queue(nil)
		first, second := p.poll(p.ctx, url, 8), p.poll(p.ctx, url, 8)
		settle()
		p.send(url, "1")
		settle()
		p.send(url, "2")
		p.arrived(first, 7)
		p.arrived(second, 7)
	}},
	{"every waiting poll gets its message", "dg:sqs-short-and-long-polling", func(p *probe) {
		url := p.queue(nil)
		var answers []<-chan polled
		for range 10 {
			answers = append(answers, p.poll(p.ctx, url, 15))
		}
		settle()
		seen := 0
		for range 10 {
			p.send(url, "x")
		}
		for _, answer := range answers {
			got := <-answer
			p.noError(got.err)
			seen += len(got.messages)
			if seen == 10 {
				break
			}
		}
		p.check(seen == 10, "%d of 10 arrived", seen)
	}},
	{"deleting the queue ends its polls", "api:DeleteQueue", func(p *probe) {
		url := p.queue(nil)
		answer := p.poll(p.ctx, url, 10)
		settle()
		_, err := p.client.DeleteQueue(p.ctx, &awssqs.DeleteQueueInput{QueueUrl: aws.String(url)})
		p.noError(err)
		got := <-answer
		p.check(got.took < 5*time.Second, "took %v", got.took)
	}},
}

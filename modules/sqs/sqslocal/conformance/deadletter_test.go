package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// fail receives the one message of a queue and releases it, n times.
func (p *probe) fail(url string, n int) {
	for range n {
		p.hide(url, p.one(url), 0)
	}
}

var deadLetterCases = []conformanceCase{
	{"the receive after the last allowed moves the message", "dg:sqs-dead-letter-queues", func(p *probe) {
		url, dlq := p.withDeadLetters(2, nil)
		sent := p.send(url, "poison", with("a", text("v")))
		p.fail(url, 2)
		p.check(len(p.receive(url)) == 0, "received a third time")
		m := p.one(dlq)
		p.check(*m.MessageId == *sent.MessageId && *m.Body == "poison", "another message")
		p.check(*m.MessageAttributes["a"].StringValue == "v", "attributes lost")
		p.check(m.Attributes["ApproximateReceiveCount"] == "3", "count %s", m.Attributes["ApproximateReceiveCount"])
	}},
	{"the source is named", "api:StartMessageMoveTask", func(p *probe) {
		url, dlq := p.withDeadLetters(1, nil)
		p.send(url, "x")
		p.fail(url, 1)
		p.receive(url)
		p.check(p.one(dlq).Attributes["DeadLetterQueueSourceArn"] == p.arn(url), "source missing")
	}},
	{"the time of sending stays", "dg:sqs-dead-letter-queues", func(p *probe) {
		url, dlq := p.withDeadLetters(1, nil)
		p.send(url, "x")
		m := p.one(url)
		p.hide(url, m, 0)
		p.receive(url)
		p.check(p.one(dlq).Attributes["SentTimestamp"] == m.Attributes["SentTimestamp"], "changed")
	}},
	{"a waiting poll of the dead-letter queue wakes", "dg:sqs-dead-letter-queues", func(p *probe) {
		url, dlq := p.withDeadLetters(1, attrs{"VisibilityTimeout": "1"})
		p.send(url, "x")
		p.one(url)
		answer := p.poll(p.ctx, dlq, 15)
		p.check(len(p.receive(url, wait(3))) == 0, "received a second time")
		p.arrived(answer, 12)
	}},
	{"a fifo head that is dead-lettered frees its group", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url, dlq := p.withDeadLetters(1, attrs{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
		p.send(url, "1", group("g"))
		p.fail(url, 1)
		p.send(url, "2", group("g"))
		p.check(*p.one(url).Body == "2", "the group is stuck")
		m := p.one(dlq)
		p.check(*m.Body == "1" && m.Attributes["MessageGroupId"] == "g", "group lost: %v", m.Attributes)
	}},
	{"the dead-letter queue must exist", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		p.code(p.setError(url, redrive(p.arn(url)+"-gone", 3)), invalidValue, 400)
	}},
	{"the dead-letter queue must be of the same type", "dg:sqs-dead-letter-queues", func(p *probe) {
		p.code(p.setError(p.queue(nil), redrive(p.arn(p.fifo(nil)), 3)), invalidValue, 400)
		p.code(p.setError(p.fifo(nil), redrive(p.arn(p.queue(nil)), 3)), invalidValue, 400)
	}},
	{"the redrive policy is checked", "api:SetQueueAttributes", func(p *probe) {
		url, dlq := p.queue(nil), p.arn(p.queue(nil))
		p.code(p.setError(url, redrive(dlq, 0)), invalidValue, 400)
		p.code(p.setError(url, redrive(dlq, 1001)), invalidValue, 400)
		p.check(p.setError(url, attrs{"RedrivePolicy": "{"}) != nil, "no json accepted")
		p.check(p.setError(url, attrs{"RedrivePolicy": `{"maxReceiveCount":3}`}) != nil, "no target accepted")
		p.check(p.setError(url, attrs{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q}`, dlq)}) != nil, "no count accepted")
		p.noError(p.setError(url, redrive(dlq, `"5"`)))
		p.check(strings.Contains(p.attributes(url)["RedrivePolicy"], dlq), "not kept")
		p.noError(p.setError(url, attrs{"RedrivePolicy": ""}))
		p.check(p.attributes(url)["RedrivePolicy"] == "", "not removed")
	}},
	{"a dead-letter queue that allows none", "dg:sqs-dead-letter-queues", func(p *probe) {
		dlq := p.queue(attrs{"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`})
		p.code(p.setError(p.queue(nil), redrive(p.arn(dlq), 3)), invalidValue, 400)
	}},
	{"a dead-letter queue that allows some", "dg:sqs-dead-letter-queues", func(p *probe) {
		friend, stranger, dlq := p.queue(nil), p.queue(nil), p.queue(nil)
		p.noError(p.setError(dlq, attrs{"RedriveAllowPolicy": fmt.Sprintf(`{"redrivePermission":"byQueue","sourceQueueArns":[%q]}`, p.arn(friend))}))
		p.noError(p.setError(friend, redrive(p.arn(dlq), 3)))
		p.code(p.setError(stranger, redrive(p.arn(dlq), 3)), invalidValue, 400)
	}},
	{"sources of a dead-letter queue are listed", "api:ListDeadLetterSourceQueues", func(p *probe) {
		url, dlq := p.withDeadLetters(3, nil)
		out, err := p.client.ListDeadLetterSourceQueues(p.ctx, &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dlq})
		p.noError(err)
		p.check(len(out.QueueUrls) == 1 && out.QueueUrls[0] == url, "got %v", out.QueueUrls)
	}},
}

// buried returns a queue, its dead-letter queue and n messages in the latter.
func (p *probe) buried(n int) (url, dlq string) {
	url, dlq = p.withDeadLetters(1, nil)
	for i := range n {
		p.send(url, fmt.Sprint("m", i))
		p.fail(url, 1)
		p.check(len(p.receive(url)) == 0, "not moved")
	}
	return url, dlq
}

func (p *probe) move(in *awssqs.StartMessageMoveTaskInput) (string, error) {
	out, err := p.client.StartMessageMoveTask(p.ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.TaskHandle), nil
}

// moved waits until the newest task of a queue has ended.
func (p *probe) moved(dlq string) types.ListMessageMoveTasksResultEntry {
	for {
		out, err := p.client.ListMessageMoveTasks(p.ctx, &awssqs.ListMessageMoveTasksInput{SourceArn: aws.String(p.arn(dlq))})
		p.noError(err)
		p.check(len(out.Results) == 1, "%d tasks", len(out.Results))
		if task := out.Results[0]; *task.Status != "RUNNING" {
			return task
		}
		<-time.After(50 * time.Millisecond)
	}
}

var moveCases = []conformanceCase{
	{"messages move back to where they came from", "api:StartMessageMoveTask", func(p *probe) {
		url, dlq := p.buried(3)
		handle, err := p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(p.arn(dlq))})
		p.noError(err)
		p.check(handle != "", "no handle")
		task := p.moved(dlq)
		p.check(*task.Status == "COMPLETED" && task.ApproximateNumberOfMessagesMoved == 3, "task %s, %d moved", *task.Status, task.ApproximateNumberOfMessagesMoved)
		p.check(task.TaskHandle == nil, "an ended task has a handle")
		p.check(fmt.Sprint(p.drain(url, 3)) == "[m0 m1 m2]", "bodies changed")
	}},
	{"a moved message is a new one", "api:StartMessageMoveTask", func(p *probe) {
		url, dlq := p.withDeadLetters(1, nil)
		sent := p.send(url, "x")
		p.fail(url, 1)
		p.receive(url)
		_, err := p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(p.arn(dlq))})
		p.noError(err)
		m := p.one(url)
		p.check(*m.MessageId != *sent.MessageId, "the same id")
		p.check(m.Attributes["ApproximateReceiveCount"] == "1", "count %s", m.Attributes["ApproximateReceiveCount"])
	}},
	{"messages move to a queue of choice", "api:StartMessageMoveTask", func(p *probe) {
		_, dlq := p.buried(2)
		other := p.queue(nil)
		_, err := p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(p.arn(dlq)), DestinationArn: aws.String(p.arn(other)), MaxNumberOfMessagesPerSecond: aws.Int32(500)})
		p.noError(err)
		task := p.moved(dlq)
		p.check(aws.ToString(task.DestinationArn) == p.arn(other) && aws.ToInt32(task.MaxNumberOfMessagesPerSecond) == 500, "task %v", task)
		p.check(len(p.drain(other, 2)) == 2, "not moved")
	}},
	{"a move task is cancelled", "api:CancelMessageMoveTask", func(p *probe) {
		_, dlq := p.buried(4)
		handle, err := p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(p.arn(dlq)), MaxNumberOfMessagesPerSecond: aws.Int32(1)})
		p.noError(err)
		_, err = p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(p.arn(dlq))})
		p.check(err != nil, "two tasks at a time")
		_, err = p.client.CancelMessageMoveTask(p.ctx, &awssqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		p.noError(err)
		p.check(*p.moved(dlq).Status == "CANCELLED", "not cancelled")
		_, err = p.client.CancelMessageMoveTask(p.ctx, &awssqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		p.check(err != nil, "cancelled twice")
	}},
	{"move tasks are checked", "api:StartMessageMoveTask", func(p *probe) {
		_, dlq := p.withDeadLetters(1, nil)
		arn := p.arn(dlq)
		_, err := p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn + "-gone")})
		p.code(err, "ResourceNotFoundException", 404)
		_, err = p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn), DestinationArn: aws.String(arn + "-gone")})
		p.code(err, "ResourceNotFoundException", 404)
		_, err = p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(p.arn(p.queue(nil)))})
		p.code(err, invalidValue, 400)
		_, err = p.move(&awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn), MaxNumberOfMessagesPerSecond: aws.Int32(501)})
		p.code(err, invalidValue, 400)
		_, err = p.client.CancelMessageMoveTask(p.ctx, &awssqs.CancelMessageMoveTaskInput{TaskHandle: aws.String("garbage")})
		p.code(err, "ResourceNotFoundException", 404)
	}},
}

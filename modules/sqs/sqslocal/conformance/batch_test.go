package conformance

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

type sendEntry = types.SendMessageBatchRequestEntry

func entries(n int, body string) []sendEntry {
	out := make([]sendEntry, n)
	for i := range out {
		out[i] = sendEntry{Id: aws.String(fmt.Sprint("e", i)), MessageBody: aws.String(body)}
	}
	return out
}

func (p *probe) sendBatch(url string, all []sendEntry) (*awssqs.SendMessageBatchOutput, error) {
	return p.client.SendMessageBatch(p.ctx, &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: all})
}

// batchCode checks an error of a batch as a whole.
func (p *probe) batchCode(err error, name string) { p.code(err, "AWS.SimpleQueueService."+name, 400) }

var batchCases = []conformanceCase{
	{"a batch of ten", "api:SendMessageBatch", func(p *probe) {
		url := p.queue(nil)
		out, err := p.sendBatch(url, entries(10, "x"))
		p.noError(err)
		p.check(len(out.Successful) == 10 && len(out.Failed) == 0, "%d successful", len(out.Successful))
		p.check(len(p.drain(url, 10)) == 10, "lost")
	}},
	{"an empty batch", "api:SendMessageBatch", func(p *probe) {
		url := p.queue(nil)
		_, err := p.sendBatch(url, []sendEntry{})
		p.batchCode(err, "EmptyBatchRequest")
		_, err = p.client.DeleteMessageBatch(p.ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{}})
		p.batchCode(err, "EmptyBatchRequest")
	}},
	{"a batch of eleven", "api:SendMessageBatch", func(p *probe) {
		_, err := p.sendBatch(p.queue(nil), entries(11, "x"))
		p.batchCode(err, "TooManyEntriesInBatchRequest")
	}},
	{"equal entry ids", "api:SendMessageBatch", func(p *probe) {
		all := entries(2, "x")
		all[1].Id = all[0].Id
		_, err := p.sendBatch(p.queue(nil), all)
		p.batchCode(err, "BatchEntryIdsNotDistinct")
	}},
	{"entry ids are checked", "api:SendMessageBatch", func(p *probe) {
		url := p.queue(nil)
		for _, id := range []string{"", "a b", "a.b", strings.Repeat("x", 81)} {
			all := entries(1, "x")
			all[0].Id = &id
			_, err := p.sendBatch(url, all)
			p.batchCode(err, "InvalidBatchEntryId")
		}
		all := entries(1, "x")
		all[0].Id = aws.String(strings.Repeat("x", 80))
		_, err := p.sendBatch(url, all)
		p.noError(err)
	}},
	{"a batch over the total size", "api:SendMessageBatch", func(p *probe) {
		url := p.queue(nil)
		_, err := p.sendBatch(url, entries(10, strings.Repeat("x", maxSize/10+1)))
		p.batchCode(err, "BatchRequestTooLong")
		out, err := p.sendBatch(url, entries(8, strings.Repeat("x", maxSize/8)))
		p.noError(err)
		p.check(len(out.Successful) == 8, "%d successful", len(out.Successful))
	}},
	{"a wrong entry fails alone", "api:SendMessageBatch", func(p *probe) {
		url := p.queue(nil)
		all := entries(4, "x")
		all[1].MessageBody = aws.String("\x01")
		all[2].DelaySeconds = 1000
		out, err := p.sendBatch(url, all)
		p.noError(err)
		p.check(len(out.Successful) == 2 && len(out.Failed) == 2, "%d successful, %d failed", len(out.Successful), len(out.Failed))
		codes := map[string]string{}
		for _, f := range out.Failed {
			codes[*f.Id] = *f.Code
			p.check(f.SenderFault, "not the sender's fault: %s", *f.Id)
		}
		p.check(codes["e1"] == invalidContents && codes["e2"] == invalidValue, "codes %v", codes)
		p.check(len(p.drain(url, 2)) == 2, "lost")
	}},
	{"deleting in a batch", "api:DeleteMessageBatch", func(p *probe) {
		url := p.queue(nil)
		_, err := p.sendBatch(url, entries(3, "x"))
		p.noError(err)
		var all []types.DeleteMessageBatchRequestEntry
		for len(all) < 3 {
			for _, m := range p.receive(url, wait(5)) {
				all = append(all, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
			}
		}
		all = append(all, types.DeleteMessageBatchRequestEntry{Id: aws.String("garbage"), ReceiptHandle: aws.String("garbage")})
		out, err := p.client.DeleteMessageBatch(p.ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: all})
		p.noError(err)
		p.check(len(out.Successful) == 3 && len(out.Failed) == 1, "%d successful, %d failed", len(out.Successful), len(out.Failed))
		p.check(*out.Failed[0].Id == "garbage" && *out.Failed[0].Code == invalidHandle && out.Failed[0].SenderFault, "failed %v", out.Failed[0])
		p.check(p.attributes(url)["ApproximateNumberOfMessagesNotVisible"] == "0", "not deleted")
	}},
	{"changing visibility in a batch", "api:ChangeMessageVisibilityBatch", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		p.send(url, "y")
		var all []types.ChangeMessageVisibilityBatchRequestEntry
		for len(all) < 2 {
			for _, m := range p.receive(url, wait(5)) {
				all = append(all, types.ChangeMessageVisibilityBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0})
			}
		}
		all = append(all, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String("far"), ReceiptHandle: all[0].ReceiptHandle, VisibilityTimeout: 43201})
		out, err := p.client.ChangeMessageVisibilityBatch(p.ctx, &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: all})
		p.noError(err)
		p.check(len(out.Successful) == 2 && len(out.Failed) == 1, "%d successful, %d failed", len(out.Successful), len(out.Failed))
		p.check(*out.Failed[0].Code == invalidValue, "code %s", *out.Failed[0].Code)
		p.check(len(p.drain(url, 2)) == 2, "not released")
	}},
}

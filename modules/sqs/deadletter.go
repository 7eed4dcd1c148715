package sqs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
)

// Attributes that a dead-lettered message carries beside its own, as far as SQS's ten leave room.
const (
	AttributeReason = "fxpond-reason" // why it can never succeed, at most 1 KiB
	AttributeSource = "fxpond-source" // the queue it came from
)

const maxReason = 1 << 10

// bury sends a message that can never succeed to the dead-letter queue, body and attributes
// untouched. The message is deleted only after SQS has taken the copy; without a dead-letter queue,
// or when the send fails, it is retried.
func (q *intake) bury(ctx context.Context, m *message, verdict events.Disposition) events.Disposition {
	if q.deadLetter == "" {
		q.log.Warn("message can never succeed and there is no dead-letter queue, so it is retried: set one with a redrive policy, or name it in Queue.DeadLetter",
			zap.String("message", m.id), zap.String("reason", verdict.Reason))
		return events.Disposition{Action: events.Retry, Reason: verdict.Reason}
	}
	in := &awssqs.SendMessageInput{
		QueueUrl:          aws.String(q.deadLetter),
		MessageBody:       m.raw.Body,
		MessageAttributes: q.withReason(m, verdict.Reason),
	}
	if trace, ok := m.raw.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]; ok {
		in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: aws.String("String"), StringValue: aws.String(trace)},
		}
	}
	if group, ok := m.raw.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; ok {
		in.MessageGroupId = aws.String(group)
	}
	if q.fifo {
		in.MessageDeduplicationId = aws.String(m.id) // repeating this send adds no second copy
	}
	q.stats.requests[sendMessage].Add(1)
	if _, err := q.c.api.SendMessage(ctx, in); err != nil {
		q.log.Warn("message not dead-lettered, it is retried", zap.String("message", m.id), zap.Error(err))
		return events.Disposition{Action: events.Retry, Reason: verdict.Reason}
	}
	m.fate = buried
	q.log.Warn("message dead-lettered", zap.String("message", m.id), zap.Int("receives", m.receives), zap.String("reason", verdict.Reason))
	return events.Disposition{Action: events.Ack, Reason: verdict.Reason}
}

func (q *intake) withReason(m *message, reason string) map[string]types.MessageAttributeValue {
	attributes := maps.Clone(m.raw.MessageAttributes)
	if attributes == nil {
		attributes = map[string]types.MessageAttributeValue{}
	}
	free := maxBytes - wireSize(aws.ToString(m.raw.Body), attributes)
	for _, extra := range []struct{ name, value string }{
		{AttributeSource, q.name},
		{AttributeReason, reason},
	} {
		v := types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("")}
		text := xmlText(extra.value, min(maxReason, free-attributeSize(extra.name, v)))
		if _, taken := attributes[extra.name]; text == "" || (!taken && len(attributes) >= maxAttributes) {
			continue // the log has it
		}
		v.StringValue = aws.String(text)
		attributes[extra.name] = v
		free -= attributeSize(extra.name, v)
	}
	return attributes
}

// wireSize is what SQS counts towards its limit of 1 MiB: the body, and each attribute's name, type
// and value.
func wireSize(body string, attributes map[string]types.MessageAttributeValue) int {
	n := len(body)
	for name, v := range attributes {
		n += attributeSize(name, v)
	}
	return n
}

func attributeSize(name string, v types.MessageAttributeValue) int {
	return len(name) + len(aws.ToString(v.DataType)) + len(aws.ToString(v.StringValue)) + len(v.BinaryValue)
}

// xmlText keeps the characters that SQS takes (XML 1.0), up to limit bytes.
func xmlText(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xFFFE && r != 0xFFFF {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, ""))
	if len(s) <= limit {
		return s
	}
	cut := max(limit, 0)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

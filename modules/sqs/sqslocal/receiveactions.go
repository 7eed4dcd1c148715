package sqslocal

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"
)

type receiveMessageRequest struct {
	QueueURL         string   `sqs:"QueueUrl"`
	AttributeNames   []string `sqs:"AttributeNames,AttributeName"`
	SystemNames      []string `sqs:"MessageSystemAttributeNames,MessageSystemAttributeName"`
	MessageNames     []string `sqs:"MessageAttributeNames,MessageAttributeName"`
	Max              *int     `sqs:"MaxNumberOfMessages"`
	Visibility       *int     `sqs:"VisibilityTimeout"`
	Wait             *int     `sqs:"WaitTimeSeconds"`
	ReceiveAttemptID string   `sqs:"ReceiveRequestAttemptId"`
}

type receiveMessageAnswer struct {
	Messages []receivedMessage `sqs:"Messages,Message"`
}

type receivedMessage struct {
	Attributes    map[string]string                `sqs:"Attributes,Attribute"`
	Body          string                           `sqs:"Body"`
	BodyMD5       string                           `sqs:"MD5OfBody"`
	AttributesMD5 string                           `sqs:"MD5OfMessageAttributes"`
	UserAttrs     map[string]messageAttributeValue `sqs:"MessageAttributes,MessageAttribute"`
	MessageID     string                           `sqs:"MessageId"`
	ReceiptHandle string                           `sqs:"ReceiptHandle"`
}

func receiveMessage(ctx context.Context, c *call, in *receiveMessageRequest) (*receiveMessageAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	r, err := q.parseReceive(in)
	if err != nil {
		return nil, err
	}
	for _, names := range [][]string{in.AttributeNames, in.SystemNames} {
		for _, name := range names {
			if name != attrAll && !systemAttributes[name] {
				return nil, errInvalidAttributeName(name)
			}
		}
	}
	r.again = c.faults.again
	got, err := q.receive(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &receiveMessageAnswer{Messages: make([]receivedMessage, len(got))}
	wanted := newSelector(in.MessageNames)
	for i := range got {
		d := &got[i]
		m := &out.Messages[i]
		m.Body, m.BodyMD5, m.MessageID, m.ReceiptHandle = d.body, hex.EncodeToString(d.bodyMD5[:]), d.id.String(), d.handle
		if len(in.AttributeNames)+len(in.SystemNames) > 0 {
			m.Attributes = c.server.systemAttributes(d, in.AttributeNames, in.SystemNames)
		}
		if picked := wanted.pick(d.attributes); len(picked) > 0 {
			m.AttributesMD5 = attributesMD5(picked)
			m.UserAttrs = attributeValues(picked)
		}
	}
	return out, nil
}

func (q *queue) parseReceive(in *receiveMessageRequest) (receiveRequest, error) {
	r := receiveRequest{max: 1, attempt: in.ReceiveAttemptID}
	if in.Max != nil {
		r.max = *in.Max
	}
	if r.max < 1 || r.max > 10 {
		return r, errParameter(r.max, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	}
	if in.Wait != nil {
		if *in.Wait < 0 || *in.Wait > 20 {
			return r, errParameter(*in.Wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
		}
		r.wait = time.Duration(*in.Wait) * time.Second
	} else {
		q.lock()
		r.wait = q.settings.wait
		q.unlock()
	}
	if in.Visibility != nil {
		timeout, err := parseVisibility(*in.Visibility)
		if err != nil {
			return r, err
		}
		r.visibility = &timeout
	}
	if in.ReceiveAttemptID != "" {
		if !q.fifo {
			return r, errParameter(in.ReceiveAttemptID, "ReceiveRequestAttemptId", "The request include parameter that is not valid for this queue type.")
		}
		if !groupOrDedupID.MatchString(in.ReceiveAttemptID) {
			return r, errParameter(in.ReceiveAttemptID, "ReceiveRequestAttemptId",
				"ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
		}
	}
	return r, nil
}

func parseVisibility(seconds int) (time.Duration, error) {
	timeout := time.Duration(seconds) * time.Second
	if seconds < 0 || timeout > maxLease {
		return 0, errParameter(seconds, attrVisibility, "VisibilityTimeout must be an integer between 0 and 43200.")
	}
	return timeout, nil
}

// systemAttributes are those that a receive can ask for.
var systemAttributes = map[string]bool{
	"SenderId": true, "SentTimestamp": true, "ApproximateReceiveCount": true, "ApproximateFirstReceiveTimestamp": true,
	"SequenceNumber": true, "MessageDeduplicationId": true, "MessageGroupId": true, traceHeader: true, "DeadLetterQueueSourceArn": true,
	attrManagedEncryption: true, // api:ReceiveMessage lists it, no message has it
}

func (s *Server) systemAttributes(d *delivery, lists ...[]string) map[string]string {
	all := map[string]string{
		"SenderId":                         d.sender,
		"SentTimestamp":                    strconv.FormatInt(s.millis(d.sent), 10),
		"ApproximateReceiveCount":          strconv.Itoa(d.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(s.millis(d.firstReceived), 10),
		"SequenceNumber":                   sequenceNumber(d.number),
		"MessageDeduplicationId":           d.dedupID,
		"MessageGroupId":                   d.group.id,
		traceHeader:                        d.trace,
		"DeadLetterQueueSourceArn":         d.source,
	}
	out := make(map[string]string, len(all))
	for _, names := range lists {
		for _, name := range names {
			for known, value := range all {
				if (name == known || name == attrAll) && value != "" {
					out[known] = value
				}
			}
		}
	}
	return out
}

func attributeValues(picked []attribute) map[string]messageAttributeValue {
	out := make(map[string]messageAttributeValue, len(picked))
	for i := range picked {
		a := &picked[i]
		v := messageAttributeValue{DataType: a.dataType, BinaryValue: a.binary}
		if !a.isBinary() {
			v.StringValue = &a.text
		}
		out[a.name] = v
	}
	return out
}

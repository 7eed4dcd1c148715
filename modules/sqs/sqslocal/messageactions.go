package sqslocal

import (
	"context"
	"encoding/hex"
	"regexp"
	"strconv"
	"time"
)

type messageAttributeValue struct {
	DataType         string   `sqs:"DataType"`
	StringValue      *string  `sqs:"StringValue"`
	BinaryValue      []byte   `sqs:"BinaryValue"`
	StringListValues []string `sqs:"StringListValues,StringListValue"`
	BinaryListValues []string `sqs:"BinaryListValues,BinaryListValue"`
}

type sendRequest struct {
	QueueURL         string                           `sqs:"QueueUrl"`
	Body             string                           `sqs:"MessageBody"`
	DelaySeconds     *int                             `sqs:"DelaySeconds"`
	Attributes       map[string]messageAttributeValue `sqs:"MessageAttributes,MessageAttribute"`
	SystemAttributes map[string]messageAttributeValue `sqs:"MessageSystemAttributes,MessageSystemAttribute"`
	DedupID          string                           `sqs:"MessageDeduplicationId"`
	GroupID          string                           `sqs:"MessageGroupId"`
}

type sendAnswer struct {
	AttributesMD5       string `sqs:"MD5OfMessageAttributes"`
	BodyMD5             string `sqs:"MD5OfMessageBody"`
	SystemAttributesMD5 string `sqs:"MD5OfMessageSystemAttributes"`
	MessageID           string `sqs:"MessageId"`
	SequenceNumber      string `sqs:"SequenceNumber"`
}

func sendMessage(_ context.Context, c *call, in *sendRequest) (*sendAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	o, systemMD5, err := parseMessage(c, in)
	if err != nil {
		return nil, err
	}
	s, err := q.send(o)
	if err != nil {
		return nil, err
	}
	return newSendAnswer(o, s, systemMD5), nil
}

func newSendAnswer(o outgoing, s sent, systemMD5 string) *sendAnswer {
	out := &sendAnswer{
		BodyMD5: hex.EncodeToString(s.bodyMD5[:]), SystemAttributesMD5: systemMD5, MessageID: s.id.String(), SequenceNumber: sequenceNumber(s.number),
	}
	if len(o.attributes) > 0 {
		out.AttributesMD5 = attributesMD5(o.attributes)
	}
	return out
}

const maxDelay = 900

// groupOrDedupID is 1 to 128 printable ASCII characters without the space (api:SendMessage).
var groupOrDedupID = regexp.MustCompile(`^[!-~]{1,128}$`)

// parseMessage checks what can be checked without the queue and returns the checksum of the system attributes with it.
func parseMessage(c *call, in *sendRequest) (outgoing, string, error) {
	o := outgoing{body: in.Body, sender: c.sender, groupID: in.GroupID, dedupID: in.DedupID}
	if in.Body == "" {
		return o, "", errMissingParameter("MessageBody")
	}
	if !validText(in.Body) {
		return o, "", errInvalidMessageContents()
	}
	if in.DelaySeconds != nil {
		if *in.DelaySeconds < 0 || *in.DelaySeconds > maxDelay {
			return o, "", errParameter(*in.DelaySeconds, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
		}
		delay := time.Duration(*in.DelaySeconds) * time.Second
		o.delay = &delay
	}
	if in.GroupID != "" && !groupOrDedupID.MatchString(in.GroupID) {
		return o, "", errParameter(in.GroupID, "MessageGroupId",
			"MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	if in.DedupID != "" && !groupOrDedupID.MatchString(in.DedupID) {
		return o, "", errParameter(in.DedupID, "MessageDeduplicationId",
			"MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	var err error
	if o.attributes, err = parseAttributes(in.Attributes); err != nil {
		return o, "", err
	}
	system, err := parseSystemAttributes(in.SystemAttributes)
	if err != nil || len(system) == 0 {
		return o, "", err
	}
	o.trace = system[0].text
	return o, attributesMD5(system), nil
}

const traceHeader = "AWSTraceHeader"

// parseSystemAttributes lets in the one that can be sent.
func parseSystemAttributes(in map[string]messageAttributeValue) ([]attribute, error) {
	for name, value := range in {
		if name != traceHeader {
			return nil, errInvalidParameter("Message system attribute name '%s' is invalid.", name)
		}
		if value.DataType != "String" || value.StringValue == nil || *value.StringValue == "" {
			return nil, errInvalidParameter("The message system attribute '%s' must be a non-empty String.", name)
		}
		if !validText(*value.StringValue) {
			return nil, errInvalidMessageContents()
		}
		return []attribute{{name: name, dataType: value.DataType, text: *value.StringValue}}, nil
	}
	return nil, nil
}

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

type handleRequest struct {
	QueueURL      string `sqs:"QueueUrl"`
	ReceiptHandle string `sqs:"ReceiptHandle"`
	Visibility    *int   `sqs:"VisibilityTimeout"`
}

func deleteMessage(_ context.Context, c *call, in *handleRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == "" {
		return nil, errMissingParameter("ReceiptHandle")
	}
	return &empty{}, q.delete(in.ReceiptHandle)
}

func changeMessageVisibility(_ context.Context, c *call, in *handleRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &empty{}, q.change(in.ReceiptHandle, in.Visibility)
}

func (q *queue) change(receiptHandle string, seconds *int) error {
	if receiptHandle == "" {
		return errMissingParameter("ReceiptHandle")
	}
	if seconds == nil {
		return errMissingParameter(attrVisibility)
	}
	timeout, err := parseVisibility(*seconds)
	if err != nil {
		return err
	}
	return q.changeVisibility(receiptHandle, timeout)
}

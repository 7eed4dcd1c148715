package sqslocal

import (
	"context"
	"encoding/hex"
	"regexp"
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

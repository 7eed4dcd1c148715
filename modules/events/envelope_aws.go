package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// snsEnvelope is a notification of Amazon SNS without raw delivery. With raw
// delivery there is no envelope: body and attributes are the publisher's.
type snsEnvelope struct{}

func (snsEnvelope) Format() Format { return FormatSNS }

func (snsEnvelope) Detect(l *Layer) bool {
	return l.has("Type", "TopicArn", "MessageId", "Message") && l.text("Type") == "Notification"
}

func (snsEnvelope) Unwrap(l *Layer) ([]Part, error) {
	raw, _ := l.kept("Message")
	message, _ := textBytes(raw)
	attributes, err := snsAttributes(l)
	if err != nil {
		return nil, err
	}
	p := Part{
		ID: l.text("MessageId"), Source: l.text("TopicArn"), Time: l.time("Timestamp"),
		Metadata: attributes, Attributes: attributes, Fallback: l.text("Subject"),
		Body: message, Nested: true,
	}
	if !startsJSON(message) {
		p.Body = raw // plain text travels as the JSON string it came in
	}
	return []Part{p}, nil
}

// snsAttributes reads {"name": {"Type": "String", "Value": "..."}}.
func snsAttributes(l *Layer) (map[string]string, error) {
	raw, ok := l.kept("MessageAttributes")
	if !ok {
		return nil, nil
	}
	attributes, err := stringMembers(raw, l.depth, func(attribute []byte) (value string, found bool) {
		// The attribute has been scanned as part of the body.
		_, _ = scanObject(attribute, l.depth, func(k, v []byte) {
			if string(k) == `"Value"` {
				value, found = text(v)
			}
		})
		return value, found
	})
	if err != nil {
		return nil, fmt.Errorf("MessageAttributes: %w", err)
	}
	return attributes, nil
}

// startsJSON tells JSON from the plain text that many publish to SNS.
func startsJSON(s []byte) bool {
	s = bytes.TrimLeft(s, " \t\r\n")
	if len(s) == 0 {
		return false
	}
	// "[ALERT] ..." is text; a broken object is an error that someone must see.
	return s[0] == '{' || json.Valid(s)
}

// eventBridgeEnvelope is an event of Amazon EventBridge.
type eventBridgeEnvelope struct{ name string }

func (eventBridgeEnvelope) Format() Format { return FormatEventBridge }

func (eventBridgeEnvelope) Detect(l *Layer) bool {
	_, detail := l.kept("detail")
	return detail && l.has("detail-type", "source", "time")
}

func (e eventBridgeEnvelope) Unwrap(l *Layer) ([]Part, error) {
	detail, _ := l.kept("detail")
	source, kind := l.text("source"), l.text("detail-type")
	name := strings.NewReplacer("{source}", source, "{detail-type}", kind).Replace(e.name)
	p := Part{
		ID: l.text("id"), Name: name, Source: source, Time: l.time("time"),
		Metadata: map[string]string{"eventbridge.detail-type": kind},
		Body:     detail, Nested: true,
	}
	for _, key := range []string{"account", "region"} {
		if value := l.text(key); value != "" {
			p.Metadata["eventbridge."+key] = value
		}
	}
	return []Part{p}, nil
}

// s3Envelope is an event notification of Amazon S3: one event per record, named
// after its eventName, "s3.ObjectCreated.Put". The payload is the record as it
// came; object keys in it are URL-encoded.
type s3Envelope struct{ maxDepth int }

func (s3Envelope) Format() Format { return FormatS3 }

func (s s3Envelope) Detect(l *Layer) bool {
	if s.isTest(l) {
		return true
	}
	records, ok := l.kept("Records")
	if !ok {
		return false
	}
	// The first record tells; there is no need to read on.
	return firstString(records, s.maxDepth, "eventSource") == "aws:s3"
}

// isTest tells the message that S3 sends when notifications are set up.
func (s3Envelope) isTest(l *Layer) bool {
	return l.text("Event") == "s3:TestEvent" && l.text("Service") == "Amazon S3"
}

func (s s3Envelope) Unwrap(l *Layer) ([]Part, error) {
	if s.isTest(l) {
		return nil, nil
	}
	records, _ := l.kept("Records")
	var (
		parts []Part
		errs  error
	)
	err := scanArray(records, s.maxDepth, func(record []byte) {
		if errs != nil {
			return
		}
		if len(parts) == maxRecords {
			errs = fmt.Errorf("more than %d records", maxRecords)
			return
		}
		part, err := s.record(record)
		if err != nil {
			errs = fmt.Errorf("record %d: %w", len(parts), err)
		}
		parts = append(parts, part)
	})
	if err = errors.Join(errs, err); err != nil {
		return nil, err
	}
	return parts, nil
}

func (s s3Envelope) record(record []byte) (Part, error) {
	var name, at, region string
	var response []byte
	_, err := scanObject(record, s.maxDepth, func(key, value []byte) {
		switch string(key) {
		case `"eventName"`:
			name, _ = text(value)
		case `"eventTime"`:
			at, _ = text(value)
		case `"awsRegion"`:
			region, _ = text(value)
		case `"responseElements"`:
			response = value
		}
	})
	if err != nil {
		return Part{}, err
	}
	if name == "" {
		return Part{}, errors.New("eventName is missing")
	}
	p := Part{Name: "s3." + strings.ReplaceAll(name, ":", "."), Source: "aws:s3", Body: record}
	if region != "" {
		p.Source += ":" + region
	}
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		p.Time = t
	}
	var request string
	if response != nil {
		_, err = scanObject(response, s.maxDepth, func(key, value []byte) {
			if string(key) == `"x-amz-request-id"` {
				request, _ = text(value)
			}
		})
	}
	p.ID = s.id(request, record)
	return p, err
}

// id tells records apart. The request's id does not: deleting many objects is
// one request and many records, in one message or in several. What S3 sends
// twice, it sends in the same words.
func (s3Envelope) id(request string, record []byte) string {
	sum := sha256.Sum256(record)
	digest := hex.EncodeToString(sum[:8])
	if request == "" {
		return digest
	}
	return request + "-" + digest
}

// firstString returns a string member of the first object in an array.
func firstString(array []byte, maxDepth int, key string) string {
	_, rest, _ := bytes.Cut(array, []byte("["))
	dec := scanner{text: rest, limit: maxDepth}
	dec.space()
	start := dec.at
	if dec.peek() != '{' || dec.value() != nil {
		return ""
	}
	var found string
	_, err := scanObject(rest[start:dec.at], maxDepth, func(k, v []byte) {
		if name, ok := text(k); ok && name == key {
			found, _ = text(v)
		}
	})
	if err != nil {
		return ""
	}
	return found
}

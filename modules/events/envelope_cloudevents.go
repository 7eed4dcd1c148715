package events

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// cloudEventsEnvelope is a CloudEvents 1.0 or 0.3 event in structured mode. It
// is told by its attributes, since content types rarely reach a queue.
type cloudEventsEnvelope struct{}

func (cloudEventsEnvelope) Format() Format { return FormatCloudEvents }

func (cloudEventsEnvelope) Detect(l *Layer) bool {
	return l.has("specversion", "id", "source", "type")
}

func (cloudEventsEnvelope) Unwrap(l *Layer) ([]Part, error) {
	p := Part{ID: l.text("id"), Name: l.text("type"), Source: l.text("source"), Time: l.time("time")}
	if p.ID == "" || p.Name == "" || p.Source == "" {
		return nil, errors.New("id, source or type is empty")
	}
	for _, key := range []string{"subject", "traceparent", "tracestate"} {
		if value := l.text(key); value != "" {
			if p.Metadata == nil {
				p.Metadata = make(map[string]string)
			}
			p.Metadata[key] = value
		}
	}
	if encoded, ok := l.kept("data_base64"); ok {
		body, err := base64Payload(encoded, l.text("datacontenttype"))
		if err != nil {
			return nil, err
		}
		p.Body = body
		return []Part{p}, nil
	}
	p.Body, _ = l.kept("data")
	return []Part{p}, nil
}

// base64Payload returns the JSON that data_base64 holds. Other data stays what
// it is, a JSON string in base64, which decodes into a []byte.
func base64Payload(encoded json.RawMessage, contentType string) ([]byte, error) {
	s, ok := text(encoded)
	if !ok {
		return nil, errors.New("data_base64 is not a string")
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("data_base64: %w", err)
	}
	if isJSON(contentType) && json.Valid(data) {
		return data, nil
	}
	return encoded, nil
}

// isJSON tells JSON media types; none at all means JSON in CloudEvents.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "" || strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json")
}

// cloudEventsBinaryEnvelope is a CloudEvents event in binary mode: attributes
// of the message prefixed "ce-" or "ce_", the payload as body. There is no
// official binding to SQS; these are the prefixes of the HTTP and Kafka ones.
type cloudEventsBinaryEnvelope struct{}

func (cloudEventsBinaryEnvelope) Format() Format { return FormatCEBinary }

func (cloudEventsBinaryEnvelope) Detect(l *Layer) bool {
	return ceAttribute(l, "specversion") != "" && ceAttribute(l, "type") != ""
}

func (cloudEventsBinaryEnvelope) Unwrap(l *Layer) ([]Part, error) {
	if l.err != nil {
		return nil, l.err
	}
	p := Part{ID: ceAttribute(l, "id"), Name: ceAttribute(l, "type"), Source: ceAttribute(l, "source"), Body: l.Body}
	if p.ID == "" || p.Source == "" {
		return nil, errors.New("attribute ce-id or ce-source is missing")
	}
	if t, err := time.Parse(time.RFC3339, ceAttribute(l, "time")); err == nil {
		p.Time = t
	}
	return []Part{p}, nil
}

func ceAttribute(l *Layer, name string) string {
	if value := l.Attributes["ce-"+name]; value != "" {
		return value
	}
	return l.Attributes["ce_"+name]
}

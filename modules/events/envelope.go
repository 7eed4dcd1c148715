package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// wireVersion is the version of fxpond's own envelope.
const wireVersion = 1

// wire is fxpond's own envelope. Data comes last, so that a reader meets what
// it routes by first.
type wire struct {
	Version  int               `json:"fxpond"`
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Time     time.Time         `json:"time"`
	Source   string            `json:"source,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Data     any               `json:"data"`
}

// AttributeEvent is the message attribute in which Encode repeats the event
// name, for filter policies and pipes that cannot look into the body.
const AttributeEvent = "event"

// Encode returns the event in fxpond's own envelope, which holds everything,
// and the attributes to send along, which may be left out. An event without ID
// or time gets them. The error is permanent: a name that is not valid, data
// that is not JSON.
func Encode(e Any) (body []byte, attributes map[string]string, err error) {
	if err := CheckName(e.Name); err != nil {
		return nil, nil, Permanent(fmt.Errorf("encoding event: %w", err))
	}
	w := wire{
		Version: wireVersion, ID: e.ID, Name: e.Name, Time: e.Timestamp.UTC(),
		Source: e.Source, Metadata: e.Metadata, Data: e.Data,
	}
	if w.ID == "" {
		w.ID = newID()
	}
	if e.Timestamp.IsZero() {
		w.Time = time.Now().UTC()
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		return nil, nil, Permanent(fmt.Errorf("encoding event %q: %w", e.Name, err))
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), map[string]string{AttributeEvent: e.Name}, nil
}

// wellKnownKeys are the top-level keys that the built-in envelopes look at.
var wellKnownKeys = []string{
	"fxpond", "id", "name", "time", "source", "metadata", "data",
	"Type", "TopicArn", "MessageId", "Message", "Subject", "Timestamp", "MessageAttributes",
	"detail-type", "detail", "account", "region",
	"Records", "Service", "Event",
	"specversion", "type", "subject", "datacontenttype", "data_base64", "traceparent", "tracestate",
	"displayName", "job", "uuid", "createdAt",
}

// builtin returns fxpond's envelopes, the cheapest and likeliest first.
func builtin(cfg DecodeConfig) []Envelope {
	return []Envelope{
		fxpondEnvelope{maxDepth: cfg.MaxDepth},
		snsEnvelope{},
		eventBridgeEnvelope{name: cfg.EventBridgeName},
		s3Envelope{maxDepth: cfg.MaxDepth},
		cloudEventsEnvelope{},
		cloudEventsBinaryEnvelope{},
		laravelEnvelope{maxDepth: cfg.MaxDepth},
	}
}

// fxpondEnvelope reads what Encode writes.
type fxpondEnvelope struct{ maxDepth int }

func (fxpondEnvelope) Format() Format { return FormatFxpond }

func (fxpondEnvelope) Detect(l *Layer) bool {
	version, ok := l.kept("fxpond")
	return ok && isDigit(version[0])
}

func (f fxpondEnvelope) Unwrap(l *Layer) ([]Part, error) {
	if version, _ := l.kept("fxpond"); string(version) != "1" {
		return nil, fmt.Errorf("version %s is not known; this release knows %d", clip(string(version)), wireVersion)
	}
	p := Part{ID: l.text("id"), Name: l.text("name"), Source: l.text("source"), Time: l.time("time")}
	if p.Name == "" {
		return nil, errors.New("name is missing")
	}
	if metadata, ok := l.kept("metadata"); ok {
		var err error
		if p.Metadata, err = stringMembers(metadata, f.maxDepth, text); err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
	}
	p.Body, _ = l.kept("data")
	return []Part{p}, nil
}

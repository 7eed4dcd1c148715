package events

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Envelope is one wire form that wraps events. Implementations are shared and
// must be safe for concurrent use; they may keep slices of the layer's body but
// must not change it.
type Envelope interface {
	// Format names the envelope, in Config and in errors.
	Format() Format
	// Detect says whether the layer has this form. It is called for each
	// message: look at a key or an attribute, decode nothing.
	Detect(l *Layer) bool
	// Unwrap takes a detected layer apart. No parts and no error means that
	// there is nothing to do; an error is the reason in a *DecodeError.
	Unwrap(l *Layer) ([]Part, error)
}

// Layer is a body with its attributes, as an envelope sees it.
type Layer struct {
	// Body is the text; Attributes are the transport's or the outer layer's.
	Body       []byte
	Attributes map[string]string

	wanted map[string]string // top-level keys that fields keeps, each by itself
	fields []field           // few: most bodies have a handful of these keys, or none
	object bool
	err    error // why Body is not JSON within the limits
	depth  int
	budget int
}

// field is a top-level member of a body.
type field struct {
	key   string
	value json.RawMessage
}

// Part is what an envelope holds: a payload, or a body that may be an envelope
// itself. Empty fields leave the outer layer's value in place.
type Part struct {
	ID       string
	Name     string
	Source   string
	Time     time.Time
	Metadata map[string]string
	// Body is the payload; with Nested, the body of the next layer.
	Body   []byte
	Nested bool
	// Attributes replace the layer's for what is nested.
	Attributes map[string]string
	// Fallback is the event name if what is nested brings none. Name, if set,
	// is only overridden by an envelope.
	Fallback string
}

// JSON says whether the body is JSON within the limits of depth. An envelope
// for other bodies finds false.
func (l *Layer) JSON() bool { return l.err == nil }

// Field returns the JSON of a top-level member of the body.
func (l *Layer) Field(key string) (json.RawMessage, bool) {
	if value, ok := l.kept(key); ok {
		return value, true
	}
	if _, kept := l.wanted[key]; kept || !l.object {
		return nil, false
	}
	var found json.RawMessage
	_, err := scanObject(l.Body, l.depth, func(k, value []byte) {
		if name, ok := text(k); ok && name == key {
			found = value
		}
	})
	return found, err == nil && found != nil
}

// kept is Field for keys that every scan keeps: wellKnownKeys and those of the config.
func (l *Layer) kept(key string) (json.RawMessage, bool) {
	for i := range l.fields {
		if l.fields[i].key == key {
			return l.fields[i].value, true
		}
	}
	return nil, false
}

// Text returns a top-level member that is a string.
func (l *Layer) Text(key string) (string, bool) {
	value, ok := l.Field(key)
	if !ok {
		return "", false
	}
	return text(value)
}

// Budget is how many bytes unwrapping may produce. An envelope that inflates
// stops there.
func (l *Layer) Budget() int { return l.budget }

// has says whether all of these kept keys are there, as strings.
func (l *Layer) has(keys ...string) bool {
	for _, key := range keys {
		if value, ok := l.kept(key); !ok || value[0] != '"' {
			return false
		}
	}
	return true
}

// text returns a kept member's string, or "".
func (l *Layer) text(key string) string {
	value, ok := l.kept(key)
	if !ok {
		return ""
	}
	s, _ := text(value)
	return s
}

// time returns a kept member's RFC 3339 time, or the zero time.
func (l *Layer) time(key string) time.Time {
	t, err := time.Parse(time.RFC3339, l.text(key))
	if err != nil {
		return time.Time{}
	}
	return t
}

// scan reads the body's top level, keeping the keys that envelopes ask for.
func (d *Decoder) scan(body []byte, attributes map[string]string) *Layer {
	l := &Layer{Body: body, Attributes: attributes, wanted: d.wanted, depth: d.cfg.MaxDepth}
	if !utf8.Valid(body) {
		l.err = errNotUTF8
		return l
	}
	l.object, l.err = scanObject(body, d.cfg.MaxDepth, func(key, value []byte) {
		// Without escapes the lookup needs no copy of the key.
		name, kept := d.wanted[string(key[1:len(key)-1])]
		if !kept && hasEscape(key) {
			if plain, ok := text(key); ok {
				name, kept = d.wanted[plain]
			}
		}
		if kept {
			l.keep(name, value)
		}
	})
	if l.err != nil {
		l.fields, l.object = nil, false
	}
	return l
}

// keep notes a member. Of two with the same key the last one counts, as in encoding/json.
func (l *Layer) keep(key string, value []byte) {
	for i := range l.fields {
		if l.fields[i].key == key {
			l.fields[i].value = value
			return
		}
	}
	if l.fields == nil {
		l.fields = make([]field, 0, 8)
	}
	l.fields = append(l.fields, field{key, value})
}

// maxMetadata is how many entries metadata can have, maxRecords how many records
// a message. A map or an event takes far more memory than the few bytes that
// can ask for it; queues allow 10 attributes, and S3 sends one record.
const (
	maxMetadata = 256
	maxRecords  = 128
)

// stringMembers returns the members of an object that are strings, or what
// pick makes of each value.
func stringMembers(object []byte, maxDepth int, pick func(value []byte) (string, bool)) (map[string]string, error) {
	members := make(map[string]string)
	count := 0
	_, err := scanObject(object, maxDepth, func(key, value []byte) {
		if count++; count > maxMetadata {
			return
		}
		if v, ok := pick(value); ok {
			k, _ := text(key)
			members[k] = v
		}
	})
	if err == nil && count > maxMetadata {
		err = fmt.Errorf("%d entries, more than %d", count, maxMetadata)
	}
	return members, err
}

func hasEscape(key []byte) bool {
	return slices.Contains(key, '\\')
}

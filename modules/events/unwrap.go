package events

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// unwrapping is one message on its way through the layers.
type unwrapping struct {
	d      *Decoder
	m      Message
	budget int // bytes of unwrapped bodies still allowed
	path   []Format
	events []Any
}

// open takes one layer apart. outer is what the layers around it have told;
// fallback is a name for want of a better one.
func (u *unwrapping) open(body []byte, attributes map[string]string, outer Any, fallback string, pin Format, depth int) error {
	l := u.d.scan(body, attributes)
	l.budget = u.budget
	envelope, err := u.envelopeOf(l, pin)
	if err != nil {
		return err
	}
	if envelope == nil {
		return u.raw(l, outer, fallback)
	}
	u.path = append(u.path, envelope.Format())
	defer func() { u.path = u.path[:len(u.path)-1] }()
	if depth == u.d.cfg.MaxLayers {
		return u.fail(fmt.Sprintf("more than %d envelopes inside each other", depth), nil)
	}
	parts, err := envelope.Unwrap(l)
	if err != nil {
		return u.fail(err.Error(), err)
	}
	for i, part := range parts {
		if u.budget -= len(part.Body); u.budget < 0 {
			return u.fail(fmt.Sprintf("unwraps to more than %d bytes", u.d.cfg.MaxDecoded), nil)
		}
		inner := outer.with(part)
		if part.ID == "" && outer.ID != "" && len(parts) > 1 {
			inner.ID = outer.ID + "." + strconv.Itoa(i) // or the ledger takes them for one event
		}
		if !part.Nested {
			if err := u.emit(inner, part.Body); err != nil {
				return err
			}
			continue
		}
		within := attributes
		if part.Attributes != nil {
			within = part.Attributes
		}
		hint := fallback
		if part.Fallback != "" {
			hint = part.Fallback
		}
		if err := u.open(part.Body, within, inner, hint, FormatAuto, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// envelopeOf returns the envelope that claims the layer, nil for a raw one.
func (u *unwrapping) envelopeOf(l *Layer, pin Format) (Envelope, error) {
	switch pinned, _ := u.d.find(pin); {
	case pin == FormatRaw:
		return nil, nil
	case pinned != nil && !pinned.Detect(l):
		if l.err != nil {
			return nil, u.fail(l.err.Error(), l.err)
		}
		return nil, u.fail(fmt.Sprintf("body is not %s, the format set for this source", pin), nil)
	case pinned != nil:
		return pinned, nil
	}
	for _, e := range u.d.chain {
		if e.Detect(l) {
			return e, nil
		}
	}
	return nil, nil
}

// raw makes an event of a body that no envelope claims.
func (u *unwrapping) raw(l *Layer, outer Any, fallback string) error {
	if l.err != nil {
		return u.fail(l.err.Error(), l.err)
	}
	cfg := &u.d.cfg
	if outer.Name == "" {
		outer.Name = rawName(l, cfg)
	}
	if outer.Name == "" {
		outer.Name = fallback
	}
	if outer.Name == "" {
		outer.Name = u.m.Name
	}
	if outer.Name == "" {
		return u.fail(fmt.Sprintf("no event name in attributes %v or body fields %v", cfg.NameAttributes, cfg.NameFields), nil)
	}
	payload := l.Body
	if cfg.PayloadField != "" {
		if inner, ok := l.kept(cfg.PayloadField); ok {
			payload = inner
		}
	}
	return u.emit(outer, payload)
}

func rawName(l *Layer, cfg *DecodeConfig) string {
	for _, key := range cfg.NameAttributes {
		if name := l.Attributes[key]; name != "" {
			return name
		}
	}
	for _, key := range cfg.NameFields {
		if name := l.text(key); name != "" {
			return name
		}
	}
	return ""
}

func (u *unwrapping) emit(e Any, payload []byte) error {
	if err := CheckName(e.Name); err != nil {
		return u.fail(err.Error(), err)
	}
	if len(payload) == 0 {
		payload = []byte("null")
	}
	if e.ID == "" {
		e.ID = newID()
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	e.Timestamp = e.Timestamp.UTC()
	if u.events == nil { // most messages hold one event: it is made together with its payload
		first := new(struct {
			events  [1]Any
			payload Payload
		})
		first.payload.raw = payload
		e.Data = &first.payload
		u.events = append(first.events[:0], e)
		return nil
	}
	e.Data = NewPayload(payload)
	u.events = append(u.events, e)
	return nil
}

func (u *unwrapping) fail(reason string, err error) error {
	parts := make([]string, len(u.path))
	for i, f := range u.path {
		parts[i] = string(f)
	}
	return decodeFailure(strings.Join(parts, ">"), reason, err)
}

// with lets what an inner layer tells override what the outer ones told.
// Metadata adds up.
func (e Event[T]) with(p Part) Event[T] {
	e.ID = cmp.Or(p.ID, e.ID)
	e.Name = cmp.Or(p.Name, e.Name)
	e.Source = cmp.Or(p.Source, e.Source)
	if !p.Time.IsZero() {
		e.Timestamp = p.Time
	}
	if len(p.Metadata) > 0 {
		merged := make(map[string]string, len(e.Metadata)+len(p.Metadata))
		maps.Copy(merged, e.Metadata)
		maps.Copy(merged, p.Metadata)
		e.Metadata = merged
	}
	return e
}

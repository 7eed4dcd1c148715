package events

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decoder turns messages into events. It tries a chain of envelopes on the
// body, up to three inside each other, and takes what no envelope claims as raw
// JSON. It looks at top-level keys only: payloads stay JSON until a listener
// asks. Safe for concurrent use.
//
// Decoding takes at most eight times the memory of the body, whatever is in it.
type Decoder struct {
	cfg   DecodeConfig
	chain []Envelope
	slots map[string]int // top-level keys worth keeping -> index in Layer.fields
}

// NewDecoder returns a decoder that knows the built-in envelopes and the ones
// given, which are tried first, by format name. The error names what is wrong
// with the config or the envelopes.
func NewDecoder(cfg DecodeConfig, envelopes ...Envelope) (*Decoder, error) {
	cfg = cfg.withDefaults()
	d := &Decoder{cfg: cfg}
	chain, err := newChain(cfg, envelopes)
	if err = errors.Join(cfg.validate(), err); err != nil {
		return nil, fmt.Errorf("making the event decoder: %w", err)
	}
	d.chain = chain
	d.slots = make(map[string]int)
	for _, key := range slices.Concat(wellKnownKeys, cfg.NameFields, []string{cfg.PayloadField}) {
		if _, known := d.slots[key]; !known {
			d.slots[key] = len(d.slots)
		}
	}
	return d, nil
}

// newChain puts the envelopes in order.
func newChain(cfg DecodeConfig, extra []Envelope) ([]Envelope, error) {
	var errs []error
	own := make([]Envelope, 0, len(extra))
	for i, e := range extra {
		if e == nil {
			errs = append(errs, fmt.Errorf("decoder %d of %d is nil: its constructor returned nothing", i+1, len(extra)))
			continue
		}
		own = append(own, e)
	}
	slices.SortStableFunc(own, func(a, b Envelope) int { return strings.Compare(string(a.Format()), string(b.Format())) })
	all := append(own, builtin(cfg)...)

	byFormat := make(map[Format]Envelope, len(all))
	var order []Format
	for _, e := range all {
		f := e.Format()
		switch {
		case f == FormatAuto || f == FormatRaw:
			errs = append(errs, fmt.Errorf("decoder %T: format %q is taken", e, f))
		case byFormat[f] != nil:
			errs = append(errs, fmt.Errorf("decoders %T and %T have the same format %q", byFormat[f], e, f))
		default:
			byFormat[f] = e
			order = append(order, f)
		}
	}
	if cfg.Formats != nil {
		known := order
		order = nil
		for _, f := range cfg.Formats {
			switch {
			case f == FormatRaw:
			case byFormat[f] == nil:
				errs = append(errs, badField("Decode.Formats", f, "no such format", fmt.Sprintf("there are %v and raw", known)))
			case slices.Contains(order, f):
				errs = append(errs, badField("Decode.Formats", f, "listed twice", "list each format once"))
			default:
				order = append(order, f)
			}
		}
	}
	chain := make([]Envelope, len(order))
	for i, f := range order {
		chain[i] = byFormat[f]
	}
	return chain, errors.Join(errs...)
}

// Formats returns the decoding chain in order, FormatRaw last.
func (d *Decoder) Formats() []Format {
	formats := make([]Format, 0, len(d.chain)+1)
	for _, e := range d.chain {
		formats = append(formats, e.Format())
	}
	return append(formats, FormatRaw)
}

// Decode returns the events in a message. Most messages hold one; an S3
// notification holds one per record. A message that holds none, such as the
// s3:TestEvent that arrives when notifications are set up, is no error: it is
// done with.
//
// The error is a *DecodeError. It is permanent: the message will not decode
// next time either.
func (d *Decoder) Decode(m Message) ([]Any, error) {
	switch {
	case len(m.Body) == 0:
		return nil, decodeFailure("", "body is empty", nil)
	case len(m.Body) > d.cfg.MaxBody:
		return nil, decodeFailure("", fmt.Sprintf("body has %d bytes, more than %d", len(m.Body), d.cfg.MaxBody), nil)
	}
	if _, known := d.find(m.Format); !known {
		return nil, decodeFailure("", fmt.Sprintf("format %q is not in the decoding chain %v", m.Format, d.Formats()), nil)
	}
	u := unwrapping{d: d, m: m, budget: d.cfg.MaxDecoded}
	outer := Any{ID: m.ID, Timestamp: m.SentAt, Source: m.Source, Metadata: m.Attributes}
	if err := u.open(m.Body, m.Attributes, outer, "", m.Format, 0); err != nil {
		return nil, err
	}
	return u.events, nil
}

// find returns the pinned envelope, nil for FormatAuto and FormatRaw.
func (d *Decoder) find(f Format) (pinned Envelope, known bool) {
	if f == FormatAuto || f == FormatRaw {
		return nil, true
	}
	for _, e := range d.chain {
		if e.Format() == f {
			return e, true
		}
	}
	return nil, false
}

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
		if inner, ok := l.Field(cfg.PayloadField); ok {
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
		if name, ok := l.Text(key); ok && name != "" {
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
	for _, s := range []struct {
		outer *string
		inner string
	}{{&e.ID, p.ID}, {&e.Name, p.Name}, {&e.Source, p.Source}} {
		if s.inner != "" {
			*s.outer = s.inner
		}
	}
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

// DecodeError says why a message is no event. It never contains the body.
type DecodeError struct {
	// Path names the envelopes that were opened, outermost first: "sns>eventbridge".
	Path string
	// Reason says what is wrong.
	Reason string
	// Err is the error behind the reason, if there was one.
	Err error
}

func decodeFailure(path, reason string, err error) error {
	return Permanent(&DecodeError{Path: path, Reason: reason, Err: err})
}

// Error reads "decoding message: sns>eventbridge: detail is missing".
func (e *DecodeError) Error() string {
	if e.Path == "" {
		return "decoding message: " + e.Reason
	}
	return "decoding message: " + e.Path + ": " + e.Reason
}

// Unwrap returns the error behind the reason.
func (e *DecodeError) Unwrap() error { return e.Err }

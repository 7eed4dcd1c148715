package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Decoder turns messages into events. It tries a chain of envelopes on the
// body, up to three inside each other, and takes what no envelope claims as raw
// JSON. It looks at top-level keys only: payloads stay JSON until a listener
// asks. Safe for concurrent use.
//
// Decoding takes at most eight times the memory of the body, whatever is in it.
type Decoder struct {
	cfg    DecodeConfig
	chain  []Envelope
	wanted map[string]string // top-level keys worth keeping, each by itself
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
	d.wanted = make(map[string]string)
	for _, key := range slices.Concat(wellKnownKeys, cfg.NameFields, []string{cfg.PayloadField}) {
		d.wanted[key] = key
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

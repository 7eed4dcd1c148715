package eventbridge

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/fxpond/fxpond/modules/sqs"
)

const (
	maxBytes = 1 << 20 // of a request: PutEvents in the EventBridge API Reference
	timeSize = 14      // what a time counts for: "Calculating PutEvents event entry size" in the User Guide
)

// API is the part of [awseventbridge.Client] that this package calls.
type API interface {
	PutEvents(context.Context, *awseventbridge.PutEventsInput, ...func(*awseventbridge.Options)) (*awseventbridge.PutEventsOutput, error)
}

// Carrier sends to buses. It is safe for concurrent use.
type Carrier struct {
	cfg Config
	api API
}

var _ sqs.Carrier = (*Carrier)(nil)

// NewCarrier makes a carrier for sqs.WithBuses.
func NewCarrier(cfg Config, api API) (*Carrier, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if api == nil {
		return nil, errors.New("eventbridge: NewCarrier: no EventBridge client")
	}
	return &Carrier{cfg: cfg, api: api}, nil
}

// Open implements [sqs.Carrier]. It makes no request: whether there is such a bus shows when it is
// published to.
func (c *Carrier) Open(_ context.Context, ref string) (*sqs.Destination, error) {
	name := ref[strings.LastIndexByte(ref, '/')+1:] // arn:aws:events:region:account:event-bus/name
	return &sqs.Destination{Name: name, MaxBytes: maxBytes, Sender: bus{carrier: c, ref: ref}}, nil
}

// bus sends to one bus.
type bus struct {
	carrier *Carrier
	ref     string
}

func (b bus) source(m *sqs.Outgoing) string {
	if m.Event.Source == "" {
		return b.carrier.cfg.Source
	}
	return m.Event.Source
}

// Size implements [sqs.Sender].
func (b bus) Size(m *sqs.Outgoing) int {
	return timeSize + len(b.source(m)) + len(m.Event.Name) + len(m.Body)
}

// Send implements [sqs.Sender]. EventBridge answers by position.
func (b bus) Send(ctx context.Context, batch []*sqs.Outgoing) []sqs.Answer {
	in := &awseventbridge.PutEventsInput{Entries: make([]types.PutEventsRequestEntry, len(batch))}
	for i, m := range batch {
		in.Entries[i] = types.PutEventsRequestEntry{
			EventBusName: aws.String(b.ref),
			Source:       aws.String(b.source(m)),
			DetailType:   aws.String(m.Event.Name),
			Detail:       aws.String(m.Body),
			Time:         aws.Time(m.Event.Timestamp),
		}
		if m.Trace != "" {
			in.Entries[i].TraceHeader = aws.String(m.Trace)
		}
	}
	answers := make([]sqs.Answer, len(batch))
	out, err := b.carrier.api.PutEvents(ctx, in)
	for i := range answers {
		switch {
		case err != nil:
			answers[i].Err = err
		case i >= len(out.Entries):
			answers[i].Err = sqs.ErrNoAnswer
		default:
			answers[i] = answer(out.Entries[i])
		}
	}
	return answers
}

// transient are the codes that PutEvents documents as retryable.
var transient = []string{"InternalFailure", "ThrottlingException"}

func answer(e types.PutEventsResultEntry) sqs.Answer {
	if code := aws.ToString(e.ErrorCode); code != "" {
		return sqs.Answer{Err: &sqs.EntryError{Code: code, Message: aws.ToString(e.ErrorMessage), SenderFault: !slices.Contains(transient, code)}}
	}
	return sqs.Answer{MessageID: aws.ToString(e.EventId)}
}

package sqs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
)

// Payload says what becomes of long bodies on their way through queues. Both forms are marked in an
// attribute, and the consumer undoes them without being asked. Topics and buses carry bodies as they are.
type Payload struct {
	// CompressAbove is the size of a body, in bytes, from which on it is compressed with zstd, if that
	// makes it shorter. It is sent as base64 then, since SQS takes text only, and filter policies cannot
	// look into it any more. Default 0: never.
	CompressAbove int

	// OffloadAbove is the size of a message, in bytes, from which on its body goes to the [ObjectStore]
	// and a pointer to it to the queue. Default: the 1 MiB that SQS takes. It needs an ObjectStore;
	// without one a longer message is an error.
	//
	// A consumer reads bodies of up to events.Config.Decode.MaxBody.
	OffloadAbove int
}

// Attributes that mark a body that is not JSON as it stands.
const (
	// AttributeEncoding says how a body is encoded: "zstd+base64".
	AttributeEncoding = "content-encoding"

	// AttributePayloadSize is the length of an offloaded body. Name, pointer and meaning are those of
	// AWS's Extended Client Libraries for Java and Python, which therefore read such messages too.
	AttributePayloadSize = "ExtendedPayloadSize"
)

const encodingZstd = "zstd+base64"

func (p Payload) validate(report func(field string, value any, hint string)) {
	if p.CompressAbove < 0 {
		report("Payload.CompressAbove", p.CompressAbove, "use 0 for never, or a positive number of bytes")
	}
	if p.OffloadAbove < 0 || p.OffloadAbove > maxBytes {
		report("Payload.OffloadAbove", p.OffloadAbove, "use 0 for the 1 MiB that SQS takes, or a smaller number of bytes")
	}
}

// pack shortens the body of a message to a queue. It makes room for the attribute that says so.
func (p *Publisher) pack(ctx context.Context, m *Outgoing, to *Destination) error {
	if !to.Packs {
		return nil
	}
	if above := p.cfg.Payload.CompressAbove; above > 0 && len(m.Body) > above {
		if short := p.codec.compress(m.Body); len(short) < len(m.Body) {
			m.Body = short
			m.Attributes[AttributeEncoding] = encodingZstd
		}
	}
	limit := p.cfg.Payload.OffloadAbove
	if limit == 0 {
		limit = to.MaxBytes
	}
	if p.store == nil || to.Sender.Size(m) <= limit {
		return nil
	}
	size := len(m.Body)
	pointer, err := offload(ctx, p.store, m.Body)
	if err != nil {
		return err
	}
	m.Body = pointer
	m.Attributes[AttributePayloadSize] = strconv.Itoa(size)
	return nil
}

// unpack undoes pack and answers the message as the events package reads it. It notes the object that
// the body came from. An [*unreadableError] is for ever, any other error may pass.
func (q *intake) unpack(ctx context.Context, m *message) (events.Message, error) {
	in := q.decodable(m)
	if sum := m.raw.MD5OfBody; sum != nil && !q.c.cfg.DisableChecksums && !intact(in.Body, *sum) {
		return in, errDamaged
	}
	if _, offloaded := in.Attributes[AttributePayloadSize]; offloaded {
		if at, ok := parsePointer(in.Body); ok {
			body, err := fetch(ctx, q.c.store, at)
			if err != nil {
				return in, err
			}
			in.Body, m.object = body, at.Key
			delete(in.Attributes, AttributePayloadSize)
		}
	}
	if in.Attributes[AttributeEncoding] == encodingZstd {
		body, err := q.c.codec.decompress(in.Body)
		if err != nil {
			return in, &unreadableError{fmt.Errorf("decompressing the body: %w", err)}
		}
		in.Body = body
		delete(in.Attributes, AttributeEncoding)
	}
	return in, nil
}

var errDamaged = errors.New("body does not match the checksum that SQS sent with it")

// intact compares a body with its MD5, in hexadecimal digits: against damage, not attackers.
func intact(body []byte, sum string) bool {
	var want [md5.Size]byte
	n, err := hex.Decode(want[:], []byte(sum)[:min(len(sum), 2*md5.Size)])
	return err == nil && n == md5.Size && md5.Sum(body) == want
}

// unreadableError is for a body that no retry makes readable.
type unreadableError struct{ err error }

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

// unreadable decides about a message that could not be unpacked.
func unreadable(err error) events.Disposition {
	if _, forever := errors.AsType[*unreadableError](err); forever {
		return events.Disposition{Action: events.DeadLetter, Reason: err.Error()}
	}
	return events.Disposition{Action: events.Retry, Reason: err.Error()}
}

// dropObject deletes the object of a deleted message, if the queue is configured so.
func (q *intake) dropObject(ctx context.Context, m *message) {
	if m.object == "" || !q.cfg.DeleteOffloaded {
		return
	}
	if err := q.c.store.Delete(ctx, m.object); err != nil {
		q.log.Warn("object of a handled message not deleted", zap.String("message", m.id), zap.String("object", m.object), zap.Error(err))
	}
}

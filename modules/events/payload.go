package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"sync/atomic"
)

// Payload is the JSON of a decoded event, as the Data of an [Any]. It is
// decoded when a listener's type asks for it, once per type however many
// listeners share it, and each listener receives a copy of its own. Safe for
// concurrent use.
type Payload struct {
	raw json.RawMessage
	// shared says that several listeners will ask. One alone is served without
	// keeping anything: decoding for it costs less than copying.
	shared atomic.Bool

	mu      sync.Mutex
	decoded []decoded
}

// decoded is the outcome of decoding into one Go type. value is a pointer to
// that type, read-only for ever.
type decoded struct {
	value any
	err   error
}

// NewPayload wraps JSON text, which must not be changed afterwards.
func NewPayload(raw json.RawMessage) *Payload { return &Payload{raw: raw} }

// Raw returns the JSON as it came in. Do not change it: others read it too.
func (p *Payload) Raw() json.RawMessage { return p.raw }

// MarshalJSON returns the JSON as it came in, so that an event can be passed on
// without knowing its type.
func (p *Payload) MarshalJSON() ([]byte, error) {
	if len(p.raw) == 0 {
		return []byte("null"), nil
	}
	return p.raw, nil
}

// As returns the event with its payload as a T of the caller's own:
//
//   - a payload that came as JSON is decoded into T; T any yields maps, slices
//     and json.Number, T json.RawMessage the text itself, T *Payload the
//     undecoded payload;
//   - a Go value that was dispatched in this process must be a T or a *T, or
//     anything if T is json.RawMessage. It never goes through JSON otherwise.
//
// Anything else is a *PayloadError, which is permanent: no retry can mend it.
func As[T any](e Any) (Event[T], error) {
	return as[T](&e, shapeOf(reflect.TypeFor[T]()).flat)
}

// as is As for callers that know whether a T is copied by assignment. What most
// dispatches need, a T of that kind, costs no allocation here.
func as[T any](e *Any, flat bool) (Event[T], error) {
	typed := Event[T]{ID: e.ID, Name: e.Name, Timestamp: e.Timestamp, Source: e.Source}
	if e.Metadata != nil {
		typed.Metadata = maps.Clone(e.Metadata)
	}
	var err *PayloadError
	switch data := e.Data.(type) {
	case *Payload:
		typed.Data, err = payloadAs[T](data)
	case json.RawMessage:
		typed.Data, err = payloadAs[T](NewPayload(data))
	case T:
		if typed.Data = data; !flat {
			typed.Data = clone(data)
		}
	default:
		typed.Data, err = convert[T](data)
	}
	if err != nil {
		err.Event = e.Name
		return typed, Permanent(err)
	}
	return typed, nil
}

// convert serves Go values that are not a T.
func convert[T any](data any) (out T, _ *PayloadError) {
	if pointer, ok := data.(*T); ok && pointer != nil {
		return clone(*pointer), nil
	}
	if raw, ok := any(&out).(*json.RawMessage); ok {
		text, err := json.Marshal(data)
		if err != nil {
			return out, &PayloadError{Want: reflect.TypeFor[T](), Got: typeName(data), Err: err}
		}
		*raw = text
		return out, nil
	}
	if _, isAny := any(&out).(*any); isAny && data == nil {
		return out, nil
	}
	return out, &PayloadError{Want: reflect.TypeFor[T](), Got: typeName(data)}
}

func payloadAs[T any](p *Payload) (out T, _ *PayloadError) {
	want := reflect.TypeFor[T]()
	switch as := any(&out).(type) {
	case *json.RawMessage:
		*as = bytes.Clone(p.raw)
		return out, nil
	case **Payload:
		*as = p
		return out, nil
	}
	if !p.shared.Load() || shapeOf(want).opaque {
		// A copy of an opaque type would share what it cannot see.
		err := unmarshal(p.raw, &out)
		return out, newDecodedError(want, err)
	}
	shared, err := decodeOnce[T](p)
	if err != nil {
		return out, newDecodedError(want, err)
	}
	return clone(*shared), nil
}

func decodeOnce[T any](p *Payload) (*T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.decoded {
		if value, ok := d.value.(*T); ok {
			return value, d.err
		}
	}
	value := new(T)
	err := unmarshal(p.raw, value)
	p.decoded = append(p.decoded, decoded{value: value, err: err})
	return value, err
}

// unmarshal keeps numbers exact where the target leaves their type open.
func unmarshal(raw []byte, into any) error {
	if open, ok := into.(*any); ok {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		return dec.Decode(open)
	}
	return json.Unmarshal(raw, into)
}

func typeName(data any) string {
	if data == nil {
		return "nothing"
	}
	return fmt.Sprintf("%T", data)
}

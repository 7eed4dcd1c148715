package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// PayloadError says that an event's payload is not what a listener takes. It
// never contains the payload's values, which may be personal data.
type PayloadError struct {
	// Event and Listener are their names; Listener is empty if As was called
	// outside of one.
	Event, Listener string
	// Want is the listener's payload type.
	Want reflect.Type
	// Got is a Go type, or the kind of JSON value found.
	Got string
	// Field is the path to the JSON member at fault, if one is.
	Field string
	// Offset is the byte of the payload at which decoding gave up, if known.
	Offset int64
	// Err is the decoder's error, if there was one.
	Err error
}

// Error names event, listener, wanted and found type, and where it went wrong.
func (e *PayloadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "event %q: ", clip(e.Event))
	if e.Listener != "" {
		fmt.Fprintf(&b, "listener %q ", e.Listener)
	}
	fmt.Fprintf(&b, "wants %v, got %s", e.Want, e.Got)
	if e.Field != "" {
		fmt.Fprintf(&b, " for field %q", e.Field)
	}
	if e.Offset > 0 {
		fmt.Fprintf(&b, " at offset %d", e.Offset)
	}
	return b.String()
}

// Unwrap returns the decoder's error.
func (e *PayloadError) Unwrap() error { return e.Err }

// newDecodedError tells what went wrong in decoding JSON into want.
func newDecodedError(want reflect.Type, err error) *PayloadError {
	if err == nil {
		return nil
	}
	failed := &PayloadError{Want: want, Got: "JSON it cannot take", Err: err}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// Value may hold the number itself: its first word is the kind.
		kind, _, _ := strings.Cut(wrong.Value, " ")
		failed.Got, failed.Field, failed.Offset = "JSON "+kind, wrong.Field, wrong.Offset
	}
	if broken, ok := errors.AsType[*json.SyntaxError](err); ok {
		failed.Got, failed.Offset = "broken JSON", broken.Offset
	}
	return failed
}

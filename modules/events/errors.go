package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxpond/fxpond/modules/goroutine"
)

var (
	// ErrStopped is the answer to DispatchAsync after the bus was stopped, and
	// the cancellation cause of what outlived the stop.
	ErrStopped = errors.New("events: bus is stopped")
	// ErrUnbound is the answer to publishing through a relay that has no
	// publisher behind it yet.
	ErrUnbound = errors.New("events: publisher relay is not bound")
	// ErrNoListener is what a [Fallback] listener answers for an event that nobody
	// else may handle either: the Outcome then says NoListener.
	ErrNoListener = errors.New("events: no listener")
	// ErrTimeout is the cancellation cause of a listener that ran longer than
	// its [Timeout].
	ErrTimeout = errors.New("events: listener timed out")
)

// Permanent marks an error that no retry can mend: the message goes to the
// dead-letter queue as soon as no other listener wants another try. nil stays
// nil.
func Permanent(err error) error { return goroutine.Permanent(err) }

// RetryAfter marks an error whose cause lasts about d: the message comes back
// after d instead of the transport's back-off. nil stays nil.
func RetryAfter(err error, d time.Duration) error { return goroutine.RetryAfter(err, d) }

// Skip marks an error as the reason for which a listener has nothing to do with
// an event. The event counts as done; the reason is logged. nil stays nil.
func Skip(err error) error {
	if err == nil {
		return nil
	}
	return &skipError{err: err}
}

// Resent marks an error as the reason for which a listener has put this very event
// into its queue again, for later. The delivery is over with that, whatever other
// listeners answered: those that have not finished the event see it again. It
// counts as a skip, but not as finished. nil stays nil.
func Resent(err error) error {
	if err == nil {
		return nil
	}
	return &skipError{err: err, resent: true}
}

// IsSkip says whether err, or an error it wraps, was marked by Skip or Resent.
func IsSkip(err error) bool {
	_, skip := errors.AsType[*skipError](err)
	return skip
}

type skipError struct {
	err    error
	resent bool
}

func (e *skipError) Error() string {
	if e.resent {
		return "sent again: " + e.err.Error()
	}
	return "skipped: " + e.err.Error()
}

func (e *skipError) Unwrap() error { return e.err }

// ListenerError is one listener's failure inside the joined error of Dispatch,
// Publish and Outcome.Err.
type ListenerError struct {
	Listener string
	Event    string // the event's name
	EventID  string
	Err      error
}

func (e *ListenerError) Error() string {
	return fmt.Sprintf("listener %q on event %q (%s): %v", e.Listener, clip(e.Event), clip(e.EventID), e.Err)
}

// Unwrap returns what the listener returned.
func (e *ListenerError) Unwrap() error { return e.Err }

// Class says what kind of failure a listener had. The values are few and
// stable: they label metrics.
type Class string

// The classes of failure. All but ClassPermanent and ClassInvalid are worth
// another try.
const (
	ClassNone      Class = ""          // no failure
	ClassError     Class = "error"     // an error without a mark
	ClassPermanent Class = "permanent" // Permanent
	ClassInvalid   Class = "invalid"   // the payload is not what the listener takes
	ClassPanic     Class = "panic"     // the listener panicked or called Goexit
	ClassTimeout   Class = "timeout"   // the listener's Timeout or a deadline passed
	ClassCanceled  Class = "canceled"  // the work was called off: lost lease, stop
)

// Final says that another try cannot succeed.
func (c Class) Final() bool { return c == ClassPermanent || c == ClassInvalid }

// ClassOf says what kind of failure it is to the bus that a listener returned err, for middleware that
// counts or reports. It is ClassNone for nil and for [Skip].
func ClassOf(err error) Class { return newResult("", err, 0).Class }

// classify names the kind of a failure that is not a skip.
func classify(err error) Class {
	if _, ok := errors.AsType[*PayloadError](err); ok {
		return ClassInvalid
	}
	if _, ok := errors.AsType[*InvalidError](err); ok {
		return ClassInvalid
	}
	if panicked, ok := errors.AsType[*goroutine.PanicError](err); ok || errors.Is(err, goroutine.ErrGoexit) {
		if goroutine.IsPermanent(err) && (!ok || !goroutine.IsPermanent(panicked)) {
			return ClassPermanent // somebody has marked the panic, not panicked with a mark
		}
		return ClassPanic
	}
	switch {
	case goroutine.IsPermanent(err):
		return ClassPermanent
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, context.Canceled):
		return ClassCanceled
	}
	return ClassError
}

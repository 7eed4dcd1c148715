package events

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// Outcome is what became of one event: one result per listener it was routed
// to, in the order they were started; those that had finished it before come
// last.
type Outcome struct {
	EventID string
	Event   string // the event's name
	Results []ListenerResult
	// NoListener says that no pattern selects the event, or that nothing failed
	// but a listener that answers ErrNoListener. The disposition is then Retry, so that the message ends in the dead-letter queue and is not
	// lost; a transport may be configured to see it otherwise.
	NoListener bool

	// refused is why no listener was run: a bad name, a ledger or store that
	// did not answer.
	refused error
}

// ListenerResult is what became of an event in one listener.
type ListenerResult struct {
	Listener string
	Status   Status
	// Class and Err are set if Status is Failed; Err alone if it is Skipped.
	Class Class
	Err   error
	// RetryAfter is what the listener asked for with RetryAfter, or 0.
	RetryAfter time.Duration
	// Duration is how long the listener ran, all attempts included.
	Duration time.Duration

	resent bool
}

// Status is the state of a listener after an event was delivered.
type Status string

// The states of a listener.
const (
	StatusDone        Status = "done"         // returned nil
	StatusSkipped     Status = "skipped"      // returned Skip
	StatusAlreadyDone Status = "already_done" // finished in an earlier delivery
	StatusFailed      Status = "failed"       // returned an error or panicked
	StatusNotRun      Status = "not_run"      // an earlier stage failed
)

// Finished says that the listener has nothing more to do with the event.
func (s Status) Finished() bool {
	return s == StatusDone || s == StatusSkipped || s == StatusAlreadyDone
}

// Action is what a transport does with a message.
type Action string

// The actions.
const (
	Ack        Action = "ack"         // delete it
	Retry      Action = "retry"       // deliver it again
	DeadLetter Action = "dead_letter" // set it aside, now
)

// Disposition is what becomes of the message that brought the event.
type Disposition struct {
	Action Action
	// After is how long to wait before a Retry; 0 leaves it to the transport's
	// back-off.
	After time.Duration
	// Reason says why, for logs and for the dead-letter queue; empty for Ack.
	Reason string
}

// Disposition decides over all listeners:
//
//   - Ack if each has finished, or if one of them answers Resent;
//   - Retry if one of the failures is worth another try, after the shortest
//     delay that was asked for;
//   - DeadLetter if all failures are final.
//
// A final failure does not end the tries of the others. Only success is
// remembered, so the failed listener runs again with each try and after a
// redrive from the dead-letter queue, when its fault may have been mended.
func (o Outcome) Disposition() Disposition {
	if o.refused != nil {
		return o.disposeRefused()
	}
	if o.NoListener {
		return Disposition{Action: Retry, Reason: fmt.Sprintf("no listener for event %q", clip(o.Event))}
	}
	d := Disposition{Action: Ack}
	if slices.ContainsFunc(o.Results, func(r ListenerResult) bool { return r.resent }) {
		return d
	}
	for _, r := range o.Results {
		if r.Status != StatusFailed {
			continue
		}
		switch {
		case !r.Class.Final() && d.Action != Retry:
			d = Disposition{Action: Retry, After: r.RetryAfter, Reason: r.reason()}
		case !r.Class.Final() && r.RetryAfter > 0 && (d.After == 0 || r.RetryAfter < d.After):
			d.After, d.Reason = r.RetryAfter, r.reason()
		case d.Action == Ack:
			d = Disposition{Action: DeadLetter, Reason: r.reason()}
		}
	}
	return d
}

// Combine decides over several events that came in one message: Retry if one of
// them needs it, after the shortest delay asked for, else DeadLetter if one of
// them needs that, else Ack. The ledger sees to it that a retry runs only what
// has not finished.
func Combine(dispositions ...Disposition) Disposition {
	all := Disposition{Action: Ack}
	for _, d := range dispositions {
		switch {
		case d.Action == Retry && all.Action != Retry,
			d.Action == DeadLetter && all.Action == Ack,
			d.Action == Retry && d.After > 0 && (all.After == 0 || d.After < all.After):
			all = d
		}
	}
	return all
}

func (o Outcome) disposeRefused() Disposition {
	d := Disposition{Action: Retry, Reason: o.refused.Error()}
	if classify(o.refused).Final() {
		d.Action = DeadLetter
	}
	return d
}

func (r ListenerResult) reason() string {
	return fmt.Sprintf("listener %q: %s: %v", r.Listener, r.Class, r.Err)
}

// Err joins the failures, each a *ListenerError; nil if all have finished. An
// event without listeners is no error here, as in Dispatch: NoListener tells.
func (o Outcome) Err() error {
	if o.refused != nil {
		return o.refused
	}
	var errs []error
	for _, r := range o.Results {
		if r.Status == StatusFailed {
			errs = append(errs, &ListenerError{Listener: r.Listener, Event: o.Event, EventID: o.EventID, Err: r.Err})
		}
	}
	return errors.Join(errs...)
}

// newResult turns what a listener returned into a result.
func newResult(listener string, err error, took time.Duration) ListenerResult {
	r := ListenerResult{Listener: listener, Status: StatusDone, Duration: took}
	if err == nil {
		return r
	}
	r.Err = err
	if skip, ok := errors.AsType[*skipError](err); ok {
		r.Status, r.Err, r.resent = StatusSkipped, skip.err, skip.resent
		if errors.Is(skip, errAlreadyDone) {
			r.Status, r.Err = StatusAlreadyDone, nil
		}
		return r
	}
	r.Status, r.Class = StatusFailed, classify(err)
	r.RetryAfter, _ = goroutine.AsRetryAfter(err)
	return r
}

package sqs

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/fxpond/fxpond/modules/events"
)

// ErrStopped answers what is published after Stop, and what Stop could not send in time.
var ErrStopped = errors.New("sqs: the publisher has stopped")

// PublishError says which event is not known to be stored, and why.
type PublishError struct {
	Event events.Any
	To    string // the queue, topic or bus; "" when no route matched
	Err   error

	// Uncertain says that the event may be stored all the same: it was in a request whose answer never
	// came. Publishing it again may make a duplicate, which a FIFO queue drops.
	Uncertain bool
}

// Error implements error.
func (e *PublishError) Error() string {
	to, doubt := "", ""
	if e.To != "" {
		to = fmt.Sprintf(" to %q", e.To)
	}
	if e.Uncertain {
		doubt = " (it may have been stored all the same)"
	}
	return fmt.Sprintf("sqs: publishing event %q (%s)%s: %v%s", e.Event.Name, e.Event.ID, to, e.Err, doubt)
}

// Unwrap answers the reason.
func (e *PublishError) Unwrap() error { return e.Err }

// answered says that the service itself said no, so that nothing is stored. A status of 500 and above
// may come from any place on the way.
func answered(err error) bool {
	if _, ok := errors.AsType[*EntryError](err); ok {
		return true
	}
	var api smithy.APIError
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()/100 == 4
	}
	return errors.As(err, &api) && api.ErrorFault() == smithy.FaultClient
}

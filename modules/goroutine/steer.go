package goroutine

import (
	"errors"
	"time"
)

// PermanentError marks an error that no retry will mend. Make it with Permanent, find it with
// IsPermanent.
type PermanentError struct{ Err error }

// Error is the inner error's text.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the inner error.
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks err as one that no retry will mend; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// IsPermanent says whether err, or an error it wraps, was marked by Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*PermanentError](err)
	return ok
}

// RetryAfterError marks an error that says when to try again. Make it with RetryAfter, read it with
// AsRetryAfter.
type RetryAfterError struct {
	Err   error
	After time.Duration
}

// Error is the inner error's text.
func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns the inner error.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// RetryAfter marks err as worth another try after d, and not before; nil stays nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{err, max(d, 0)}
}

// AsRetryAfter returns the delay that RetryAfter, or an open Breaker, put on err.
func AsRetryAfter(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[*RetryAfterError](err); ok {
		return e.After, true
	}
	return 0, false
}

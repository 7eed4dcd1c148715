package jobs

import "errors"

var (
	// ErrNoHandler is the answer for a job that was to run in this process, which has no handler for it.
	ErrNoHandler = errors.New("jobs: no handler")
	// ErrStopped is the answer for a job of this process after Stop, and the cancellation cause of what
	// outlived it.
	ErrStopped = errors.New("jobs: dispatcher is stopped")
	// ErrUnbound is the answer for a job of this process before the dispatcher knows the bus.
	ErrUnbound = errors.New("jobs: dispatcher has no bus yet: call Bind")
	// ErrTooManyAttempts is the error of a job whose last attempts ended without an answer: the process
	// died, lost its lease, or gave the message back unstarted. It has not run again.
	ErrTooManyAttempts = errors.New("jobs: too many attempts")
	// ErrNotFound is a store's answer for an ID that it does not know.
	ErrNotFound = errors.New("jobs: not found")
)

// Why a job that was received is not run now.
var (
	errNotDue    = errors.New("the job is not due")
	errTakenAway = errors.New("the queue delivers the job no more")
	errCancelled = errors.New("the job's batch is cancelled")
)

// errNotDurable is why what follows a job from a queue is not left to this process's memory.
var errNotDurable = errors.New("the app's events.Publisher is the bus of this process, which forgets when it ends: bind the one that leads to the queue, such as events.PublishVia[*sqs.Publisher]()")

package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

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
	errCancelled = errors.New("the job's batch is cancelled")
)

// errNotDurable is why what follows a job from a queue is not left to this process's memory.
var errNotDurable = errors.New("the app's events.Publisher is the bus of this process, which forgets when it ends: bind the one that leads to the queue, such as events.PublishVia[*sqs.Publisher]()")

// UnfinishedError is Stop's answer when jobs of this process were left. It unwraps to ErrStopped.
type UnfinishedError struct {
	// Jobs are those that run first, the oldest first.
	Jobs []UnfinishedJob
}

// UnfinishedJob is a job of this process that is lost, since nothing of it is kept.
type UnfinishedJob struct {
	Name    string
	ID      string
	Running bool          // else it waited, for its time or for another attempt
	Attempt int           // that runs or was to come
	Age     time.Duration // since it was dispatched
}

func (j UnfinishedJob) String() string {
	state := "waiting"
	if j.Running {
		state = "running"
	}
	return fmt.Sprintf("%s %s (%s, attempt %d, %s)", j.Name, j.ID, state, j.Attempt, j.Age.Round(time.Millisecond))
}

// Error counts the jobs and names the first of them.
func (e *UnfinishedError) Error() string {
	const named = 10
	parts := make([]string, 0, named)
	for _, j := range e.Jobs[:min(named, len(e.Jobs))] {
		parts = append(parts, j.String())
	}
	if more := len(e.Jobs) - named; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("jobs: stop left %d job(s) of this process, which are lost: %s", len(e.Jobs), strings.Join(parts, ", "))
}

// Unwrap lets errors.Is find ErrStopped.
func (e *UnfinishedError) Unwrap() error { return ErrStopped }

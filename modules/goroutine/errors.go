package goroutine

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrSaturated is answered by TryGo while QueueSize tasks wait.
	ErrSaturated = errors.New("goroutine: pool is saturated")

	// ErrStopped is answered by a pool that is stopping, stopped, or was never the running app's
	// pool (see Default). It is also the cancellation cause of the tasks that outlive a Stop's patience.
	ErrStopped = errors.New("goroutine: pool is stopped")

	// ErrGoexit is the error of a task that ended its goroutine with runtime.Goexit, as t.FailNow does.
	ErrGoexit = errors.New("goroutine: task called runtime.Goexit")

	// ErrNoSlot is answered by Reservation.Go when all of its slots have been used or released.
	ErrNoSlot = errors.New("goroutine: reservation holds no slot")

	errNilFunc = errors.New("goroutine: nil function")
)

// PanicError is the error of a task that panicked. It unwraps to the panic's value if that is an error.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // the stack of the goroutine that panicked, as debug.Stack prints it
}

// Error names the panic's value; the stack is left to those who log it.
func (e *PanicError) Error() string { return fmt.Sprintf("goroutine: task panicked: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, ok := e.Value.(error)
	if !ok {
		return nil
	}
	return err
}

// AbandonedTask is one task that Stop had to leave behind.
type AbandonedTask struct {
	Name    string        // see WithName
	Running bool          // true: its goroutine may still be running; false: it was never started
	Age     time.Duration // since it started if Running, since it was submitted otherwise
}

// String reads "name (running, 3.2s)".
func (t AbandonedTask) String() string {
	state := "queued"
	if t.Running {
		state = "running"
	}
	return fmt.Sprintf("%s (%s, %s)", t.Name, state, t.Age.Round(time.Millisecond))
}

// AbandonedError is Stop's answer when the time to stop was too short. It unwraps to ErrStopped.
type AbandonedError struct {
	Tasks []AbandonedTask // each task that was left, the running ones first, oldest first
}

const abandonedNamed = 20 // as many as a log line bears; Tasks has all of them

// Error counts the tasks and names the first of them.
func (e *AbandonedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "goroutine: stop abandoned %d task(s): ", len(e.Tasks))
	for i, t := range e.Tasks {
		if i == abandonedNamed {
			fmt.Fprintf(&b, " and %d more", len(e.Tasks)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
	}
	return b.String()
}

// Unwrap lets errors.Is find ErrStopped.
func (e *AbandonedError) Unwrap() error { return ErrStopped }

package jobs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Stop refuses new jobs of this process, drops those that wait for their time or another attempt, and waits
// for those that run, until ctx ends or ShutdownTimeout passes; then it cancels them. An *UnfinishedError
// names what was dropped or cancelled: nothing of it is kept. Jobs on a queue stay there. Run and Dispatch
// on a queue go on working. Stop without Start, and a second Stop, do no harm.
func (d *Dispatcher) Stop(ctx context.Context) error {
	if d.cfg.ShutdownTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.cfg.ShutdownTimeout)
		defer cancel()
	}
	left := d.local.stop(ctx)
	if len(left) == 0 {
		return nil
	}
	slices.SortStableFunc(left, func(a, b UnfinishedJob) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(b.Age, a.Age))
	})
	err := &UnfinishedError{Jobs: left}
	d.log.Error("job dispatcher stopped", zap.Error(err))
	return err
}

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

// rank puts what runs first.
func (j UnfinishedJob) rank() int {
	if j.Running {
		return 1
	}
	return 0
}

// String reads "name id (waiting, attempt 1, 3.2s)".
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

// stop returns what it had to leave.
func (l *local) stop(ctx context.Context) []UnfinishedJob {
	l.mu.Lock()
	l.closed = true
	waiting := l.waiting
	l.waiting = nil
	for _, r := range waiting {
		l.dropped = append(l.dropped, r.unfinished(false))
	}
	l.rouse()
	var idle chan struct{}
	if len(l.active) > 0 {
		if l.idle == nil {
			l.idle = make(chan struct{})
		}
		idle = l.idle
	}
	l.mu.Unlock()
	for _, r := range waiting {
		l.finish(r, ErrStopped)
	}

	var running []UnfinishedJob
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			running = l.abandon()
		}
	}
	l.loops.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	left := append(running, l.dropped...)
	l.dropped = nil
	return left
}

// abandon cancels what runs and resolves its futures. A goroutine that ignores its context goes on.
func (l *local) abandon() []UnfinishedJob {
	l.mu.Lock()
	runs := make([]*run, 0, len(l.active))
	left := make([]UnfinishedJob, 0, len(l.active))
	for r := range l.active {
		runs = append(runs, r)
		left = append(left, r.unfinished(true))
	}
	l.mu.Unlock()
	for _, r := range runs {
		r.cancel(ErrStopped)
		l.finish(r, ErrStopped)
	}
	return left
}

func (r *run) unfinished(running bool) UnfinishedJob {
	return UnfinishedJob{Name: r.name(), ID: r.event.ID, Running: running, Attempt: r.attempt, Age: time.Since(r.born)}
}

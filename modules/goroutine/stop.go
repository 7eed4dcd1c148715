package goroutine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// Stop ends the pool in phases. It refuses: Go, TryGo and Reserve answer ErrStopped from now on, those
// that block too. It drains: tasks that wait or run are finished. At four fifths of the time it has,
// which is the shorter of ShutdownTimeout and ctx, it cancels: running tasks see their context end with
// cause ErrStopped, waiting ones are not started any more. At the end it reports: an *AbandonedError
// lists each task that was never started or has not returned. nil means that all work was done.
//
// Futures and joins of abandoned tasks resolve with ErrStopped; a goroutine that ignores its context
// cannot be killed and goes on. A pool that was never started gives up what waits at once. Further calls
// wait for the first one, or their ctx, and return its result. A task must not call it: Stop would wait
// for its own caller.
func (p *Pool) Stop(ctx context.Context) error {
	p.mu.Lock()
	if p.phase >= phaseDraining {
		p.mu.Unlock()
		select {
		case <-p.stopDone:
			return p.stopErr
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	started := p.phase != phaseNew
	p.phase = phaseDraining
	if !started {
		p.phase = phaseCancelled // or settle would start what waits
	}
	p.refuse()
	p.mu.Unlock()

	p.drain(ctx, started)
	if started {
		p.control.stop()
	}
	p.stopErr = errors.Join(p.report(), p.telemetry.stop())
	close(p.stopDone)
	return p.stopErr
}

// refuse ends all waits for room and slots. It needs mu.
func (p *Pool) refuse() {
	for p.blocked.n > 0 {
		w := p.blocked.pop()
		p.reject(&w.entry, ErrStopped)
		w.wake(ErrStopped)
	}
	for p.reservers.n > 0 {
		p.reservers.pop().wake(ErrStopped)
	}
	p.held = 0
	p.settle()
	p.checkOver()
}

// drain waits for all tasks, cancels what is left of them in time, and waits for all workers. Without
// workers what waits has to be given up at once.
func (p *Pool) drain(ctx context.Context, workers bool) {
	if most := p.cfg.ShutdownTimeout; most > 0 {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < most {
			p.log.Warn("stop has less time than ShutdownTimeout", zap.Duration("left", time.Until(deadline)), zap.Duration("shutdown_timeout", most))
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, most)
		defer cancel()
	}
	if workers {
		var patience <-chan time.Time
		if deadline, ok := ctx.Deadline(); ok {
			timer := time.NewTimer(time.Until(deadline) * 4 / 5)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-p.drained:
		case <-patience:
		case <-ctx.Done():
		}
	}
	p.cancelTasks()
	select {
	case <-p.gone:
	case <-ctx.Done():
	}
}

// cancelTasks gives up what waits, cancels what runs, and lets the workers go.
func (p *Pool) cancelTasks() {
	var cancels []context.CancelCauseFunc
	p.mu.Lock()
	p.phase = phaseCancelled
	now := p.clock.now()
	for p.queued.n > 0 {
		p.abandonWaiting(p.queued.first(), now)
		p.queued.drop()
	}
	for p.joined.n > 0 {
		p.abandonGroup(p.joined.pop(), now)
	}
	for p.blocked.n > 0 { // of draining tasks
		w := p.blocked.pop()
		p.reject(&w.entry, ErrStopped)
		w.wake(ErrStopped)
	}
	for e := range p.execs.all {
		if e.running && e.cancel() != nil {
			cancels = append(cancels, e.cancel())
		}
	}
	p.settle()
	p.dismissIdle(now, 0)
	p.checkOver()
	p.mu.Unlock()

	p.cancelHard(ErrStopped)
	for _, cancel := range cancels {
		cancel(ErrStopped)
	}
}

// report gives up what still runs and says what was left.
func (p *Pool) report() error {
	p.mu.Lock()
	now := p.clock.now()
	var running []AbandonedTask
	for e := range p.execs.all {
		if e.running {
			running = append(running, p.abandonRunning(e, now))
		}
	}
	slices.SortStableFunc(running, func(a, b AbandonedTask) int { return cmp.Compare(b.Age, a.Age) })
	p.left = append(running, p.left...)
	left := p.left
	p.mu.Unlock()
	if len(left) == 0 {
		p.log.Info("goroutine pool stopped")
		return nil
	}
	err := &AbandonedError{Tasks: left}
	p.log.Error("goroutine pool stopped", zap.Error(err))
	return err
}

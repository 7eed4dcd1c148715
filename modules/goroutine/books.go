package goroutine

import (
	"time"

	"go.uber.org/zap"
)

// books counts tasks. At any moment
//
//	submitted = completed + failed + rejected + abandoned + waiting + running
//
// Every method here needs Pool.mu.
type books struct {
	submitted, completed, failed, rejected, abandoned uint64
	waiting, running                                  int

	panics, stuck uint64
	waits, runs   histogram
	inline        int // running tasks that their joiner runs
}

// begin moves t from waiting to running on e. The caller has taken it out of its queue.
func (p *Pool) begin(e *exec, t *task, now time.Duration, timed bool) {
	if timed {
		p.books.waits.add(now - t.since)
	}
	t.state, t.exec, t.inline = stateTaken, e, e.inline
	e.task, e.group, e.since, e.timed, e.stuck = t, nil, now, timed, false
	p.books.waiting--
	p.books.running++
}

// finish records the outcome of what e has run. If Stop has given it up, that outcome stands.
func (p *Pool) finish(e *exec, err error, now time.Duration) {
	t := e.task
	if e.timed {
		p.books.runs.add(now - e.since)
	}
	if e.panicked {
		e.panicked = false
		p.books.panics++
	}
	t.exec, e.task = nil, nil
	e.turn++
	e.lenders = 0
	if e.givenUp {
		e.givenUp = false
		p.checkOver()
		return
	}
	p.books.running--
	if err == nil {
		p.books.completed++
	} else {
		p.books.failed++
	}
	if e.group != nil {
		e.group.resolve(e.index, err)
	}
	p.resolve(t, err)
}

// resolve tells whoever awaits t.
func (p *Pool) resolve(t *task, err error) {
	if t.future != nil {
		t.future.resolve(err)
	}
	p.checkOver()
}

// reject needs t in no queue.
func (p *Pool) reject(t *task, err error) {
	t.state = stateTaken
	p.books.rejected++
	p.books.waiting--
	p.resolve(t, err)
}

// abandonWaiting gives up a queued task.
func (p *Pool) abandonWaiting(t *task, now time.Duration) {
	t.state = stateTaken
	p.books.waiting--
	p.books.abandoned++
	p.left = append(p.left, AbandonedTask{Name: t.name(), Age: now - t.since})
	p.resolve(t, ErrStopped)
}

// abandonGroup gives up the functions of g that nobody has claimed.
func (p *Pool) abandonGroup(g *group, now time.Duration) {
	for ; g.next < g.n; g.next++ {
		p.joinable--
		p.books.waiting--
		p.books.abandoned++
		p.left = append(p.left, AbandonedTask{Name: g.name(g.next), Age: now - g.since})
		g.resolve(g.next, ErrStopped)
	}
}

// abandonRunning gives up what e runs: a goroutine cannot be stopped.
func (p *Pool) abandonRunning(e *exec, now time.Duration) AbandonedTask {
	e.givenUp = true
	p.books.running--
	p.books.abandoned++
	if e.group != nil {
		e.group.resolve(e.index, ErrStopped)
	}
	if e.task.future != nil {
		e.task.future.givenUp = true
	}
	p.resolve(e.task, ErrStopped)
	return AbandonedTask{Name: e.name(), Running: true, Age: now - e.since}
}

// checkOver tells Stop when there is nothing more to wait for.
func (p *Pool) checkOver() {
	switch {
	case p.phase < phaseDraining:
	case p.phase == phaseDraining:
		if p.books.waiting == 0 && p.books.running == 0 {
			closeOnce(p.drained)
		}
	case p.workers == 0 && p.books.running == 0:
		closeOnce(p.gone)
	}
}

// closeOnce is for channels that are closed with mu held.
func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

func (p *Pool) logFailure(t *task, err error) {
	if panicked, ok := err.(*PanicError); ok { //nolint:errorlint // a panic of this very task
		p.log.Error("task panicked", zap.String("task", t.name()), zap.Any("panic", panicked.Value), zap.ByteString("stack", panicked.Stack))
		return
	}
	p.log.Warn("task failed", zap.String("task", t.name()), zap.Error(err))
}

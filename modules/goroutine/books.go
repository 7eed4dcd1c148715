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

// begin moves t from waiting to running. The caller has taken it out of its queue.
func (p *Pool) begin(t *task, now time.Duration, timed bool) {
	if timed {
		p.books.waits.add(now - t.since)
	}
	t.state, t.since, t.timed, t.stuck = stateRunning, now, timed, false
	p.running.push(&t.node)
	p.books.waiting--
	p.books.running++
	if t.inline {
		p.books.inline++
	}
}

// beginInline begins t on the goroutine of whoever waits for it, which may be host's.
func (p *Pool) beginInline(t, host *task, now time.Duration) {
	t.host, t.inline = host, true
	p.begin(t, now, true)
}

// finish records the outcome of t. If Stop has given t up, that outcome stands.
func (p *Pool) finish(t *task, err error, now time.Duration) {
	p.running.remove(&t.node)
	if t.timed {
		p.books.runs.add(now - t.since)
	}
	if t.inline {
		p.books.inline--
	}
	if t.panicked {
		t.panicked = false
		p.books.panics++
	}
	t.state = stateDone
	if t.givenUp {
		return
	}
	p.books.running--
	if err == nil {
		p.books.completed++
	} else {
		p.books.failed++
	}
	p.resolve(t, err)
}

// resolve tells whoever waits for t.
func (p *Pool) resolve(t *task, err error) {
	switch {
	case t.group != nil:
		t.group.resolve(int(t.index), err)
	case t.future != nil:
		t.future.resolve(err)
	}
	p.checkOver()
}

// reject needs t in no queue.
func (p *Pool) reject(t *task, err error) {
	t.state = stateDone
	p.books.rejected++
	p.books.waiting--
	p.resolve(t, err)
}

// abandonWaiting gives up a queued task.
func (p *Pool) abandonWaiting(t *task, now time.Duration) {
	t.state = stateDone
	p.books.waiting--
	p.books.abandoned++
	p.left = append(p.left, AbandonedTask{Name: t.name(), Age: now - t.since})
	p.resolve(t, ErrStopped)
}

// abandonGroup gives up the functions of g that nobody has claimed.
func (p *Pool) abandonGroup(g *group, now time.Duration) {
	for i := g.next; i < g.n; i++ {
		p.joinable--
		p.books.waiting--
		p.books.abandoned++
		p.left = append(p.left, AbandonedTask{Name: g.name(i), Age: now - g.since})
		g.resolve(i, ErrStopped)
	}
	g.next = g.n
}

// abandonRunning gives up a task whose goroutine cannot be stopped.
func (p *Pool) abandonRunning(t *task, now time.Duration) AbandonedTask {
	t.givenUp = true
	p.books.running--
	p.books.abandoned++
	p.resolve(t, ErrStopped)
	return AbandonedTask{Name: t.name(), Running: true, Age: now - t.since}
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

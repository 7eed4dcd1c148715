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
func (p *Pool) begin(t *task, now time.Duration) {
	t.state, t.started = stateRunning, now
	p.running.push(&t.node)
	p.books.waiting--
	p.books.running++
	p.books.waits.add(now - t.enqueued)
}

// beginInline begins t on its joiner's goroutine, which may be host's.
func (p *Pool) beginInline(t, host *task, now time.Duration) {
	t.host, t.inline = host, true
	p.books.inline++
	p.begin(t, now)
}

// finish records the outcome of t. If Stop has given t up, that outcome stands.
func (p *Pool) finish(t *task, err error, now time.Duration) {
	p.running.remove(&t.node)
	p.books.runs.add(now - t.started)
	if t.inline {
		p.books.inline--
	}
	if t.panicked {
		p.books.panics++
	}
	if t.state == stateDone {
		return
	}
	p.books.running--
	if err == nil {
		p.books.completed++
	} else {
		p.books.failed++
	}
	p.complete(t, err)
}

// abandon gives t up at the end of Stop's patience.
func (p *Pool) abandon(t *task, now time.Duration) AbandonedTask {
	left := AbandonedTask{Name: t.name(), Running: t.state == stateRunning, Age: now - t.enqueued}
	if left.Running {
		left.Age = now - t.started
		t.givenUp = true
		p.books.running--
	} else {
		p.books.waiting--
	}
	p.books.abandoned++
	p.complete(t, ErrStopped)
	return left
}

// complete tells whoever waits for t.
func (p *Pool) complete(t *task, err error) {
	t.state, t.err = stateDone, err
	if t.done != nil {
		close(t.done)
	}
	if t.group != nil {
		t.group.memberDone()
	}
	if p.phase >= phaseDraining {
		p.checkDrained()
		p.checkGone()
	}
}

func (p *Pool) checkDrained() {
	if p.phase == phaseDraining && p.books.waiting == 0 && p.books.running == 0 {
		closeOnce(p.drained)
	}
}

func (p *Pool) checkGone() {
	if p.phase == phaseCancelled && p.workers == 0 && p.books.running == 0 {
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

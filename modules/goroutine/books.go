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
}

// start begins a task that leaves the queue on x.
func (p *Pool) start(x *exec, e *entry, now time.Duration, timed bool) {
	pooled := e.future == nil || e.future.pooled
	if !x.shared || x.task.pooled != pooled || x.task.ctx != e.ctx {
		x.task = x.newTask(p.clock.fast.Load())
		*x.task = task{pool: p, ctx: e.ctx, pooled: pooled, inline: x.inline}
		x.shared = shareable(e.ctx)
	}
	x.fn, x.future, x.group = e.fn, e.future, nil
	if e.future != nil {
		e.future.queued = false
	}
	p.begin(x, e.since, now, timed)
}

// begin moves what x is about to run from waiting to running.
func (p *Pool) begin(x *exec, submitted, now time.Duration, timed bool) {
	if timed {
		p.books.waits.add(now - submitted)
	}
	x.task.exec = x
	x.running, x.since, x.timed, x.stuck, x.label = true, now, timed, false, ""
	p.books.waiting--
	p.books.running++
}

// finish records the outcome of what x has run. If Stop has given it up, that outcome stands.
func (p *Pool) finish(x *exec, err error, now time.Duration) {
	if x.timed {
		p.books.runs.add(now - x.since)
	}
	if x.panicked {
		x.panicked = false
		p.books.panics++
	}
	x.task.exec = nil
	x.running = false
	x.turn++
	x.lenders = 0
	if x.givenUp {
		x.givenUp = false
		p.checkOver()
		return
	}
	p.books.running--
	if err == nil {
		p.books.completed++
	} else {
		p.books.failed++
	}
	x.resolve(err)
	if p.phase >= phaseDraining {
		p.checkOver()
	}
}

// resolve tells whoever waits for what x runs.
func (x *exec) resolve(err error) {
	switch {
	case x.group != nil:
		x.group.resolve(x.index, err)
	case x.future != nil:
		x.future.resolve(err)
	}
}

// reject needs e in no queue.
func (p *Pool) reject(e *entry, err error) {
	p.books.rejected++
	p.books.waiting--
	if e.future != nil {
		e.future.resolve(err)
	}
	p.checkOver()
}

// abandonWaiting gives up a task that leaves the queue.
func (p *Pool) abandonWaiting(e *entry, now time.Duration) {
	p.books.waiting--
	p.books.abandoned++
	p.left = append(p.left, AbandonedTask{Name: e.name(), Age: now - e.since})
	if e.future != nil {
		e.future.queued = false
		e.future.resolve(ErrStopped)
	}
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

// abandonRunning gives up what x runs: a goroutine cannot be stopped.
func (p *Pool) abandonRunning(x *exec, now time.Duration) AbandonedTask {
	x.givenUp = true
	p.books.running--
	p.books.abandoned++
	if x.future != nil {
		x.future.givenUp = true
	}
	x.resolve(ErrStopped)
	return AbandonedTask{Name: x.name(), Running: true, Age: now - x.since}
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

func (p *Pool) logFailure(x *exec, err error) {
	if panicked, ok := err.(*PanicError); ok { //nolint:errorlint // a panic of this very task
		p.log.Error("task panicked", zap.String("task", x.name()), zap.Any("panic", panicked.Value), zap.ByteString("stack", panicked.Stack))
		return
	}
	p.log.Warn("task failed", zap.String("task", x.name()), zap.Error(err))
}

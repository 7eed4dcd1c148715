package goroutine

import (
	"slices"
	"time"
)

// worker is a goroutine of the engine that runs task after task.
type worker struct {
	exec     exec
	pool     *Pool
	signal   chan struct{} // holds one: the sender never blocks
	since    time.Duration // idle since
	runs     uint32
	hired    bool
	assigned bool // it has a task already: a reservation's
	leave    bool
}

// wakeWorker sends a worker to the queue. It needs mu.
func (p *Pool) wakeWorker() {
	p.waking++
	p.dispatch(p.hire())
}

// assign starts e on a worker at once, on a slot that is already counted as busy. It needs mu.
func (p *Pool) assign(e *entry, now time.Duration) {
	w := p.hire()
	w.assigned = true
	w.exec.slot = slotBusy
	p.start(&w.exec, e, now, true)
	p.dispatch(w)
}

// hire returns the worker that went idle last, whose stack and caches are the warmest, or a new one.
func (p *Pool) hire() *worker {
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return w
	}
	return &worker{pool: p, signal: make(chan struct{}, 1)}
}

func (p *Pool) dispatch(w *worker) {
	w.signal <- struct{}{}
	if w.hired {
		return
	}
	w.hired = true
	p.workers++
	p.enlist(&w.exec)
	if p.workers > p.engineCap {
		p.resizeEngine(p.workers)
	}
	// The engine's own queue is unbounded and it is never stopped, so Go cannot refuse: at most it
	// starts w a moment later, when a worker that has left us has left the engine too.
	_ = p.engine.Go(w.run)
}

func (w *worker) run() {
	p, e := w.pool, &w.exec
	running := false
	defer func() {
		if running { // the task called runtime.Goexit: this goroutine ends, the books go on
			p.bury(w)
		}
	}()
	var err error
	for p.next(w, err) {
		running = true
		err = e.call()
		e.end(err)
		running = false
	}
}

// next does the books of the task that w has run, if any, with the error it returned, and gives it the
// one to run now. It blocks while there is none; false tells the worker to end.
func (p *Pool) next(w *worker, err error) bool {
	e := &w.exec
	first := w.runs == 0
	if first {
		<-w.signal
	}
	w.runs++
	timed := !p.clock.fast.Load() || w.runs%timedEvery == 0
	var now time.Duration
	if timed || e.timed {
		now = p.clock.now()
	} else {
		now = p.clock.about()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !first {
		p.finish(e, err, now)
		p.releaseSlot(e)
		if p.resumers.n+p.reservers.n+p.blocked.n > 0 {
			p.settle() // they come before this worker
		}
	} else if p.arrive(w) {
		return true
	}
	for !p.take(e, now, timed) {
		if p.mayLeave() {
			p.dropWorker(w)
			return false
		}
		timed = true
		e.forget()
		w.since = now
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		<-w.signal
		now = p.clock.now()
		p.mu.Lock()
		if w.leave {
			p.dropWorker(w)
			return false
		}
		if p.arrive(w) {
			return true
		}
	}
	p.settle()
	return true
}

// arrive says whether w was woken for a certain task rather than for the queue.
func (p *Pool) arrive(w *worker) bool {
	if w.assigned {
		w.assigned = false
		return true
	}
	p.waking--
	return false
}

// joinsPerTask is how many joined functions go before a queued task that waits as well.
const joinsPerTask = 3

// take gives e the next waiting task if a slot is free for it.
func (p *Pool) take(e *exec, now time.Duration, timed bool) bool {
	if p.busy+p.held >= p.limit || p.phase == phaseCancelled {
		return false
	}
	switch {
	case p.joinable > 0 && (p.queued.n == 0 || p.joinRun < joinsPerTask):
		p.joinRun++
		p.joined.head.value.claim(e, now, timed)
	case p.queued.n > 0:
		p.joinRun = 0
		p.start(e, p.queued.first(), now, timed)
		p.queued.drop()
	default:
		return false
	}
	p.reserverTurn = true
	e.slot = slotBusy
	p.busy++
	return true
}

// mayLeave says whether a worker that found nothing to do should end rather than idle.
func (p *Pool) mayLeave() bool {
	return p.phase == phaseCancelled || p.workers > max(p.limit, p.busy+p.held, p.cfg.MinWorkers)+p.lent
}

// bury does the books of a task that killed its worker.
func (p *Pool) bury(w *worker) {
	w.exec.end(ErrGoexit)
	now := p.clock.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish(&w.exec, ErrGoexit, now)
	p.releaseSlot(&w.exec)
	p.dropWorker(w)
	p.settle()
}

func (p *Pool) dropWorker(w *worker) {
	p.workers--
	p.execs.remove(&w.exec.node)
	p.checkOver()
}

// dismissIdle ends the workers that have been idle since before the given time, down to keep workers,
// and returns when the next one will be due; 0 if none will. It needs mu.
func (p *Pool) dismissIdle(before time.Duration, keep int) {
	n := 0
	for n < len(p.idle) && p.workers-n > keep && p.idle[n].since <= before {
		w := p.idle[n]
		w.leave = true
		w.signal <- struct{}{}
		n++
	}
	p.idle = slices.Delete(p.idle, 0, n)
}

package goroutine

import (
	"slices"
	"time"
)

// worker is a goroutine of the engine that runs task after task.
type worker struct {
	pool     *Pool
	signal   chan struct{} // holds one: the sender never blocks
	since    time.Duration // idle since
	assigned *task         // to be run at once: a reservation's
	runs     uint32
	leave    bool
}

// wakeWorker sends a worker to the queue. It needs mu.
func (p *Pool) wakeWorker() {
	p.waking++
	p.hire(nil)
}

// assign starts t on a worker at once, on a slot that is already counted as busy. It needs mu.
func (p *Pool) assign(t *task) { p.hire(t) }

// hire wakes the worker that went idle last, whose stack and caches are the warmest, or starts one.
func (p *Pool) hire(t *task) {
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		w.assigned = t
		w.signal <- struct{}{}
		return
	}
	w := &worker{pool: p, signal: make(chan struct{}, 1), assigned: t}
	p.workers++
	if p.workers > p.engineCap {
		p.resizeEngine(p.workers)
	}
	// The engine's own queue is unbounded, so Go cannot refuse: at most it starts w when a worker that
	// has left us has left the engine too. It is cancelled after the last worker.
	if err := p.engine.Go(w.run); err != nil {
		p.log.DPanic("pond refused a worker") // unreachable
	}
}

func (w *worker) run() {
	p := w.pool
	var t *task
	var err error
	defer func() {
		if t != nil { // the task called runtime.Goexit: this goroutine ends, the books go on
			p.bury(t)
		}
	}()
	for {
		if t = p.next(w, t, err); t == nil {
			return
		}
		err = t.call()
		t.end(err)
	}
}

// next does the books of the task that w has run, if any, with the error it returned, and returns the
// one to run now. It blocks while there is none; nil tells the worker to end.
func (p *Pool) next(w *worker, prev *task, err error) *task {
	timed := !p.clock.fast.Load() || w.runs%timedEvery == 0
	w.runs++
	var now time.Duration
	if timed || prev != nil && prev.timed {
		now = p.clock.now()
	} else {
		now = p.clock.about()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if prev != nil {
		p.finish(prev, err, now)
		p.releaseSlot(prev)
		if p.resumers.n+p.reservers.n+p.blocked.n > 0 {
			p.settle() // they come before this worker
		}
	} else if t := p.arrive(w); t != nil {
		return t
	}
	for {
		if t := p.take(prev, now, timed); t != nil {
			p.settle()
			return t
		}
		if p.mayLeave() {
			p.dropWorker()
			return nil
		}
		prev, timed = nil, true
		w.since = now
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		<-w.signal
		now = p.clock.now()
		p.mu.Lock()
		if w.leave {
			p.dropWorker()
			return nil
		}
		if t := p.arrive(w); t != nil {
			return t
		}
	}
}

// arrive returns the task that w was woken for, if it was for a certain one.
func (p *Pool) arrive(w *worker) *task {
	if t := w.assigned; t != nil {
		w.assigned = nil
		return t
	}
	p.waking--
	return nil
}

// joinsPerTask is how many joined functions go before a queued task that waits as well.
const joinsPerTask = 3

// take starts the next waiting task if a slot is free for it. prev is what this worker ran last.
func (p *Pool) take(prev *task, now time.Duration, timed bool) *task {
	if p.busy+p.held >= p.limit || p.phase == phaseCancelled {
		return nil
	}
	var t *task
	switch {
	case p.joinable > 0 && (p.queued.n == 0 || p.joinRun < joinsPerTask):
		t = p.joined.head.value.claimFor(prev)
		p.joinRun++
	case p.queued.n > 0:
		t = p.queued.pop()
		p.joinRun = 0
	default:
		return nil
	}
	p.reserverTurn = true
	t.slot = slotBusy
	p.busy++
	p.begin(t, now, timed)
	return t
}

// mayLeave says whether a worker that found nothing to do should end rather than idle.
func (p *Pool) mayLeave() bool {
	return p.phase == phaseCancelled || p.workers > max(p.limit, p.busy+p.held, p.cfg.MinWorkers)+p.lent
}

// bury does the books of a task that killed its worker.
func (p *Pool) bury(t *task) {
	t.end(ErrGoexit)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish(t, ErrGoexit, p.clock.now())
	p.releaseSlot(t)
	p.dropWorker()
	p.settle()
}

func (p *Pool) dropWorker() {
	p.workers--
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

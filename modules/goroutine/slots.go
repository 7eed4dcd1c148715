package goroutine

import "context"

// settle gives out what is free: slots to tasks that want theirs back, then to reservers and to
// sleeping workers in turn, room in the queue to blocked submitters. It needs mu, and must follow
// whatever frees a slot, adds a waiter or raises the limit. So no wake-up is ever lost: while tasks
// wait and a slot is free, a worker is on its way.
func (p *Pool) settle() {
	for p.resumers.n > 0 && (p.busy+p.held < p.limit || p.phase == phaseCancelled) {
		w := p.resumers.pop()
		p.retake(w.loan)
		w.wake(nil)
	}
	if p.blocked.n > 0 {
		p.unblock()
	}
	if p.phase == phaseNew || p.phase == phaseCancelled {
		return
	}
	for p.limit-p.busy-p.held-p.waking > 0 {
		tasks := p.queued.n+p.joinable > p.waking
		if p.reservers.n > 0 && (p.reserverTurn || !tasks) && p.grant(tasks) {
			p.reserverTurn = false
			continue
		}
		if !tasks || p.waking >= maxWaking {
			return
		}
		p.wakeWorker()
	}
}

// maxWaking is how many workers may be on their way at once; each that arrives wakes the next. One
// would wait up to 100 us for a processor whose current goroutine does not yield, two are spread at
// once (measured); more only cost wake-ups when tasks are short.
const maxWaking = 2

// loan is a slot that its task does without while its goroutine waits inside a pool.
type loan struct {
	pool *Pool
	exec *exec
	turn uint64
}

// loans are all slots that a goroutine held when it began to wait: of the task that it runs, of the task
// that this one runs inline for, and so on, whatever their pools.
type loans []loan

// lend frees the slots that pay for the task that runs with ctx, so that waiting holds no worker. The
// caller must reclaim them.
func lend(ctx context.Context) loans { //nolint:contextcheck // ctx moves outwards
	var ls loans
	for {
		t, _ := ctx.Value(taskKey{}).(*task)
		if t == nil {
			return ls
		}
		if l := t.pool.lend(t); l.exec != nil {
			ls = append(ls, l)
		}
		if !t.inline {
			return ls // what submitted it runs elsewhere
		}
		ctx = t.ctx
	}
}

func (p *Pool) lend(t *task) loan {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := t.exec
	if x == nil || x.slot == slotNone {
		return loan{}
	}
	x.lenders++
	if x.slot == slotBusy {
		x.slot = slotLent
		p.busy--
		p.lent++
		p.settle()
	}
	return loan{p, x, x.turn}
}

// reclaim takes back what lend freed, and waits for it if it must.
func (ls loans) reclaim() {
	for _, l := range ls {
		l.reclaim()
	}
}

func (l loan) reclaim() {
	p := l.pool
	p.mu.Lock()
	// A function may return while a goroutine that it has started still waits with its context.
	if l.turn != l.exec.turn {
		p.mu.Unlock()
		return
	}
	l.exec.lenders--
	if l.exec.lenders > 0 {
		p.mu.Unlock()
		return
	}
	if p.phase == phaseCancelled || p.resumers.n == 0 && p.busy+p.held < p.limit {
		p.retake(l)
		p.mu.Unlock()
		return
	}
	w := p.newWaiter()
	w.loan = l
	p.resumers.push(&w.node)
	p.mu.Unlock()
	<-w.signal
	p.mu.Lock()
	p.recycle(w)
	p.mu.Unlock()
}

// retake needs mu and a free slot.
func (p *Pool) retake(l loan) {
	if l.turn == l.exec.turn && l.exec.slot == slotLent {
		l.exec.slot = slotBusy
		p.lent--
		p.busy++
	}
}

// releaseSlot gives back the slot of a task that is over. It needs mu.
func (p *Pool) releaseSlot(e *exec) {
	switch e.slot {
	case slotBusy:
		p.busy--
	case slotLent:
		p.lent--
	case slotNone:
	}
	e.slot = slotNone
}

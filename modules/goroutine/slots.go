package goroutine

// settle gives out what is free: slots to tasks that want theirs back, then to reservers and to
// sleeping workers in turn, room in the queue to blocked submitters. It needs mu, and must follow
// whatever frees a slot, adds a waiter or raises the limit. So no wake-up is ever lost: while tasks
// wait and a slot is free, a worker is on its way.
func (p *Pool) settle() {
	for p.resumers.n > 0 && (p.busy+p.held < p.limit || p.phase == phaseCancelled) {
		w := p.resumers.pop()
		p.retake(w.task)
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

// lend frees the slot that pays for t while its goroutine waits inside the pool, so that waiting holds
// no worker. It returns what reclaim needs: nil if there is nothing to take back. It needs mu.
func (p *Pool) lend(t *task) *task {
	h := t.holder()
	if h == nil || h.state != stateRunning {
		return nil
	}
	h.lenders++
	if h.slot == slotBusy {
		h.slot = slotLent
		p.busy--
		p.lent++
		p.settle()
	}
	return h
}

// reclaim takes back what lend freed, and waits for it if it must. It needs mu not to be held.
func (p *Pool) reclaim(h *task) {
	if h == nil {
		return
	}
	p.mu.Lock()
	h.lenders--
	// A function may wait on several goroutines of its own, or return while one of them still does.
	if h.lenders > 0 || h.slot != slotLent {
		p.mu.Unlock()
		return
	}
	if p.phase == phaseCancelled || p.resumers.n == 0 && p.busy+p.held < p.limit {
		p.retake(h)
		p.mu.Unlock()
		return
	}
	w := p.newWaiter()
	w.task = h
	p.resumers.push(&w.node)
	p.mu.Unlock()
	<-w.signal
	p.mu.Lock()
	p.recycle(w)
	p.mu.Unlock()
}

func (p *Pool) retake(h *task) {
	if h.slot == slotLent {
		h.slot = slotBusy
		p.lent--
		p.busy++
	}
}

// releaseSlot gives back the slot of a task that is over. It needs mu.
func (p *Pool) releaseSlot(t *task) {
	switch t.slot {
	case slotBusy:
		p.busy--
	case slotLent:
		p.lent--
	case slotNone:
	}
	t.slot = slotNone
}

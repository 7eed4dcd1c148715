package sqs

// share is how many slots the queue may hold now: all of them while no other queue has messages that
// wait for one, else its part by weight. The pool's limit stands for what there is, also while other
// work holds some of it: Reserve decides in the end.
func (q *intake) share() int {
	weights, contended := q.cfg.Weight, false
	for _, other := range q.c.intakes {
		if other == q {
			continue
		}
		hungry := other.hungry.Load()
		if hungry || other.slots.Load() > 0 {
			weights += other.cfg.Weight
		}
		contended = contended || hungry
	}
	limit := q.c.pool.Limit()
	if !contended {
		return limit
	}
	return max(limit*q.cfg.Weight/weights, 1)
}

// wakeOthers lets queues that wait for their share look again.
func (q *intake) wakeOthers() {
	for _, other := range q.c.intakes {
		if other != q && other.hungry.Load() {
			wake(other.mayStart)
		}
	}
}

// noteHunger publishes what share reads of other queues without their locks. It needs mu.
func (q *intake) noteHunger() {
	q.hungry.Store(q.backlog.waiting() > 0 || q.more && q.runners > 0 && !q.paused)
	q.slots.Store(int64(q.runners))
}

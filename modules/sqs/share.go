package sqs

// share is how many slots the queue may hold now: all of them while no other queue has messages that
// wait for one, else its part by weight. It needs mu.
func (q *intake) share() int {
	total := int(q.slots.Load()) + q.c.pool.Free()
	weights := q.cfg.Weight
	contended := false
	for _, other := range q.c.intakes {
		if other == q {
			continue
		}
		slots := int(other.slots.Load())
		total += slots
		hungry := other.hungry.Load()
		if hungry || slots > 0 {
			weights += other.cfg.Weight
		}
		contended = contended || hungry
	}
	if !contended {
		return total
	}
	return max(total*q.cfg.Weight/weights, 1)
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
	q.hungry.Store(q.backlog.waiting() > 0)
	q.slots.Store(int32(q.runners)) //nolint:gosec // a count of goroutines
}

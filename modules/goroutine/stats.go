package goroutine

import "time"

// Stats is one consistent picture of a pool. At any moment
//
//	Submitted = Completed + Failed + Rejected + Abandoned + Waiting + Running
type Stats struct {
	Workers       int // goroutines, idle ones too
	ActiveWorkers int // slots in use, at most Limit
	Limit         int // how many slots there are now
	Reserved      int // slots held by reservations, unused
	Lent          int // tasks whose goroutine waits inside the pool, without a slot
	Helping       int // running tasks that run on the goroutine of the one that waits for them

	QueueLength int           // tasks that wait for a worker
	Blocked     int           // submitters that wait for room in the queue
	OldestWait  time.Duration // of the task that waits longest; 0 if none waits

	Submitted uint64 // every task offered to the pool
	Completed uint64 // returned nil
	Failed    uint64 // returned an error, panicked, or was cancelled before its start
	Rejected  uint64 // answered ErrSaturated, ErrStopped, or its submitter's context ended
	Abandoned uint64 // left behind by Stop
	Waiting   int    // QueueLength + Blocked
	Running   int    // started and not over, Helping and Lent ones too

	Panicked uint64 // of Failed
	Stuck    uint64 // ran longer than StuckAfter, whatever became of them

	AverageWait     time.Duration // from submission to start
	AverageDuration time.Duration // from start to end
	P50, P95, P99   time.Duration // of the same; within 12 %

	ScaleUps   uint64
	ScaleDowns uint64
	LastScale  ScaleDecision // zero if the limit has not moved yet
}

// ScaleDecision is one move of the limit by the autoscaler.
type ScaleDecision struct {
	From, To int
	Reason   string
	At       time.Time
}

// Stats returns the current figures. It is cheap enough to call every second.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	b := p.books
	s := Stats{
		Workers:       p.workers,
		ActiveWorkers: p.busy,
		Limit:         p.limit,
		Reserved:      p.held,
		Lent:          p.lent,
		QueueLength:   p.queued.n + p.joinable,
		Blocked:       p.blocked.n,
		OldestWait:    p.oldestWait(),
		ScaleUps:      p.scaleUps,
		ScaleDowns:    p.scaleDowns,
		LastScale:     p.lastScale,
	}
	for e := range p.execs.all {
		if e.inline && e.running && !e.givenUp {
			s.Helping++
		}
	}
	p.mu.Unlock()

	s.Submitted, s.Completed, s.Failed, s.Rejected, s.Abandoned = b.submitted, b.completed, b.failed, b.rejected, b.abandoned
	s.Waiting, s.Running = b.waiting, b.running
	s.Panicked, s.Stuck = b.panics, b.stuck
	s.AverageWait, s.AverageDuration = b.waits.mean(), b.runs.mean()
	q := b.runs.quantiles(0.50, 0.95, 0.99)
	s.P50, s.P95, s.P99 = q[0], q[1], q[2]
	return s
}

// oldestWait needs mu. Each queue is in order of submission.
func (p *Pool) oldestWait() time.Duration {
	var oldest time.Duration
	now := p.clock.now()
	if p.queued.n > 0 {
		oldest = max(oldest, now-p.queued.first().since)
	}
	if p.joined.head != nil {
		oldest = max(oldest, now-p.joined.head.value.since)
	}
	if p.blocked.head != nil {
		oldest = max(oldest, now-p.blocked.head.value.entry.since)
	}
	return oldest
}

package sqs

import (
	"math"
	"time"
)

// demand is what a queue wants of the pool at one moment, and has of it.
type demand struct {
	ready  int           // messages at hand that may start, given slots
	more   bool          // SQS has more of them
	dry    bool          // nothing is at hand, and it takes a free slot to poll
	full   bool          // it has all the slots that Queue.Concurrency allows
	slots  int           // that work on it
	worked time.Duration // on workers so far
	stint  time.Duration // how long it keeps a slot, usually
}

func (d *demand) wants() bool { return d.ready > 0 || d.more }

// demand reads what the queue wants now.
func (q *intake) demand(now time.Duration) demand {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := math.MaxInt
	if q.cfg.Concurrency > 0 {
		free = max(q.cfg.Concurrency-q.runners, 0)
	}
	d := demand{
		ready:  min(q.backlog.waiting(), free),
		full:   free == 0,
		slots:  q.runners,
		worked: q.workedUntil(now),
		stint:  max(q.pace, turn),
	}
	if !q.paused && !q.stopping {
		// A queue that had some has more, until a poll waits for an answer.
		unanswered := q.asked > 0 && now-q.askedAt >= q.ahead()
		d.more = q.more && !unanswered && free > d.ready && q.unsettled < maxUnsettled && q.backlog.blocked < maxBlocked
		d.dry = q.needsSlot && d.ready == 0
	}
	q.away = !d.wants()
	return d
}

// letPoll tells a dry queue that a slot is free: it may poll for one message.
func (q *intake) letPoll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.needsSlot, q.mayPoll = false, true
	wake(q.mayReceive)
}

// compete tells how many slots are the queue's by weight, 0 while no other queue wants any.
func (q *intake) compete(fair float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fair = fair
	q.wakeReceive()
}

// stock is how many messages are to be at hand while other queues compete for the slots: one that has none
// when its turn comes loses the slot for as long as a message of another queue takes, and all of its slots
// may be free at once. It is one more than these, rounded, to catch up by. It needs mu.
func (q *intake) stock() float64 {
	if q.fair == 0 || !q.more {
		return 0
	}
	slots := q.fair
	if q.cfg.Concurrency > 0 {
		slots = min(slots, float64(q.cfg.Concurrency))
	}
	return slots + 1.5
}

// occupy takes note of slots that begin to work on the queue, or end. It needs mu.
func (q *intake) occupy(slots int, now time.Duration) {
	q.worked, q.workedAt = q.workedUntil(now), now
	q.runners += slots
}

// workedUntil is how long workers have worked on the queue. It needs mu.
func (q *intake) workedUntil(now time.Duration) time.Duration {
	return q.worked + time.Duration(q.runners)*(now-q.workedAt)
}

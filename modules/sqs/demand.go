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
	stock  int           // messages that it keeps at hand for its turns
	slots  int           // that work on it
	worked time.Duration // on workers so far
	stint  time.Duration // how long it keeps a slot, usually
}

func (d *demand) wants() bool { return d.ready > 0 || d.more }

// demand reads what the queue wants now, and tells it how many slots are its by weight.
func (q *intake) demand(now time.Duration, fair float64) demand {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fair = fair
	free := math.MaxInt
	if q.cfg.Concurrency > 0 {
		free = max(q.cfg.Concurrency-q.runners, 0)
	}
	d := demand{
		ready:  min(q.backlog.waiting(), free),
		stock:  q.stock,
		slots:  q.runners,
		worked: q.workedUntil(now),
		stint:  max(q.pace, turn),
	}
	if q.paused || q.stopping {
		return d
	}
	// A queue that had as much as was asked for has more, until a poll waits for an answer.
	unanswered := q.asked > 0 && now-q.askedAt >= horizon
	d.more = q.more && !unanswered && free > d.ready && q.unsettled < maxUnsettled && q.backlog.blocked < maxBlocked
	d.dry = q.needsSlot && d.ready == 0
	return d
}

// letPoll tells a dry queue that a slot is free: it may poll for one message.
func (q *intake) letPoll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.needsSlot, q.mayPoll = false, true
	wake(q.mayReceive)
}

// stockUp lets a queue that had nothing at hand for some of its turns hold as many messages more, so that
// it has next time. They are at most one for each slot that is its by weight, and once more what these
// start within the horizon.
func (q *intake) stockUp(missed int, fair float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stock = min(q.stock+missed, int(math.Ceil(fair))+q.withinHorizon(fair))
	q.wakeReceive()
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

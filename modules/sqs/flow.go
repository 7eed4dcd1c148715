package sqs

import (
	"context"
	"time"
)

const (
	// horizon is how far ahead of the free slots the consumer receives, besides the time that a receive
	// takes: no more messages wait for a slot than the pool starts in this time at the pace measured so
	// far. It lets a receive fill up (ten messages for one request) when listeners are quick, and asks for
	// exactly the free slots when they are slow.
	horizon = 100 * time.Millisecond

	// maxUnsettled pauses polling while SQS takes no deletes, far below the 120,000 messages that it
	// lets be in flight.
	maxUnsettled = 10_000

	// maxBlocked bounds the messages of a FIFO queue that wait behind others of their group.
	maxBlocked = 1_000
)

// receiveLoop keeps polls in flight while there is room for what they may bring. Only the end of ctx
// ends it.
func (q *intake) receiveLoop(ctx context.Context) {
	for ctx.Err() == nil {
		q.mu.Lock()
		n, slots := q.ask()
		q.needsSlot, q.mayPoll = slots, false
		if n > 0 {
			q.pollBegins(n, time.Now())
			q.askedAt = q.c.now()
		}
		q.mu.Unlock()
		if n > 0 {
			q.work.Go(func() {
				deepen(false)
				q.poll(ctx, n)
			})
			continue
		}
		if slots {
			wake(q.c.mayStart) // every slot is at work: the shares' loop tells when one is free
		}
		await(ctx, q.mayReceive)
	}
}

// pollBegins needs mu.
func (q *intake) pollBegins(n int, now time.Time) {
	if q.polls == 0 && now.Sub(q.moved) > time.Second {
		q.resumed = now // nothing was due: after a failure the next one follows at once
	}
	q.moved = now
	q.polls++
	q.asked += n
}

// overdue is what Stats tells of polling, see [QueueStats]. It needs mu.
func (q *intake) overdue(now time.Time) (unanswered, stuck time.Duration) {
	if n, _ := q.ask(); q.stopping || q.moved.IsZero() || q.polls == 0 && n == 0 {
		return 0, 0
	}
	last := q.lastPoll
	if q.resumed.After(last) {
		last = q.resumed
	}
	return now.Sub(last), now.Sub(q.moved)
}

// ask decides for how many messages to poll now. With 0 it says whether it takes a free slot of the
// pool to change that; else something of this queue must change first. It needs mu.
func (q *intake) ask() (n int, slots bool) {
	if q.paused || q.stopping || q.polls >= q.target || q.unsettled >= maxUnsettled || q.backlog.blocked >= maxBlocked {
		return 0, false
	}
	capacity := q.capacity()
	room := capacity - (q.held - q.backlog.blocked) - q.asked
	idle := q.backlog.waiting() < max(int(q.stock()), 1) && q.asked == 0 // nothing waits for a slot, nothing is on its way
	switch {
	case room >= min(maxBatch, max(capacity/2, 1)), room > 0 && idle:
		return min(room, maxBatch), false
	case room > 0, !idle, q.backlog.waiting() > 0, q.cfg.Concurrency > 0 && q.runners >= q.cfg.Concurrency:
	case q.mayPoll:
		return 1, false
	default:
		return 0, true
	}
	return 0, false // a fuller request is worth the wait: there is work meanwhile
}

// capacity is how many messages may be held or asked for: one for each slot that is ours, what these start
// within the horizon, or those that will be ours by weight, and one for each slot that is free, unless the
// stock serves these. It needs mu.
func (q *intake) capacity() int {
	slots, stock := q.runners, q.stock()
	if stock == 0 {
		slots += q.c.pool.Free()
	}
	if q.cfg.Concurrency > 0 {
		slots = min(slots, q.cfg.Concurrency)
	}
	return slots + int(q.withinHorizon(max(float64(slots), q.fair))+stock)
}

// ahead is how long before its messages are due a receive goes out at the earliest. It needs mu.
func (q *intake) ahead() time.Duration { return horizon + q.latency }

// withinHorizon is how many messages that many slots start until the horizon of a receive that goes out now.
// It needs mu.
func (q *intake) withinHorizon(slots float64) float64 {
	if q.pace == 0 {
		return 0
	}
	return slots * float64(q.ahead()) / float64(q.pace)
}

// keepPace takes one message's time into the pace. It needs mu.
func (q *intake) keepPace(took time.Duration) {
	took = max(took, 1)
	if q.pace == 0 {
		q.pace = took
	}
	q.pace += (took - q.pace) / 8
}

// wakeReceive follows whatever may make ask answer more. It needs mu.
func (q *intake) wakeReceive() {
	if n, slots := q.ask(); n > 0 || slots && !q.needsSlot {
		wake(q.mayReceive)
	}
}

// wakeStart follows whatever lets a message start. It needs mu.
func (q *intake) wakeStart() {
	if q.backlog.waiting() > 0 {
		wake(q.c.mayStart)
	}
}

// wake never blocks: one signal that waits is enough.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

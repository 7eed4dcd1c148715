package sqslocal

import "time"

// receiveRequest is a checked ReceiveMessage.
type receiveRequest struct {
	max        int
	wait       time.Duration
	visibility *time.Duration // nil: the queue's
	attempt    string         // ReceiveRequestAttemptId
	again      func() bool    // fault: whether a message stays visible; nil: it never does
}

// delivery is a message as one receive hands it out: a copy, because the original goes on changing.
type delivery struct {
	message
	handle string
}

// take leases up to r.max messages and returns with them those that have been received too often, now out of the queue and
// due in the dead-letter queue.
func (q *queue) take(r receiveRequest) (got []delivery, dead []*message, err error) {
	if q.deleted {
		return nil, nil, errQueueDoesNotExist()
	}
	timeout := q.settings.visibility
	if r.visibility != nil {
		timeout = *r.visibility
	}
	if q.fifo && r.attempt != "" {
		again, err := q.repeat(r.attempt, timeout)
		if err != nil || again != nil {
			return q.deliveries(again), nil, err
		}
	}
	if q.full() && r.wait == 0 && !q.fifo {
		return nil, nil, errOverLimit("The maximum number of in flight messages is reached: %d.", maxInFlight)
	}
	var taken []*message
	graveyard := q.graveyard()
	for len(taken) < r.max && !q.full() {
		g := q.ready.first()
		if g == nil {
			break
		}
		m := g.head
		if graveyard && m.receives >= q.settings.redrive.maxReceives {
			q.drop(m)
			dead = append(dead, m)
			continue
		}
		if !q.fifo && r.again != nil && r.again() {
			taken = q.takeFrom(g, 0, 1, graveyard, taken)
			continue
		}
		taken = q.takeFrom(g, timeout, r.max-len(taken), graveyard, taken)
	}
	if q.fifo && r.attempt != "" && len(taken) > 0 {
		q.attempts.remember(r.attempt, taken, q.now)
	}
	return q.deliveries(taken), dead, nil
}

// takeFrom leases the head of g; of a FIFO group as many as are wanted, in order, because the group locks afterwards.
func (q *queue) takeFrom(g *group, timeout time.Duration, most int, graveyard bool, taken []*message) []*message {
	for range most {
		m := g.head
		if m == nil || q.full() || graveyard && m.receives >= q.settings.redrive.maxReceives {
			break
		}
		g.remove(m)
		q.lease(m, timeout)
		taken = append(taken, m)
		if !q.fifo {
			break
		}
	}
	q.settle(g)
	return taken
}

func (q *queue) lease(m *message, timeout time.Duration) {
	if m.receives == 0 {
		m.firstReceived = q.now
	}
	m.receives++
	m.receipt++
	m.leased = q.now
	q.hide(m, inFlight, q.now+timeout)
	q.record(Received, m, q.now)
}

// graveyard reports whether the queue has a dead-letter queue that exists. Without one, messages are delivered for ever.
func (q *queue) graveyard() bool {
	return q.settings.redrive != nil && q.server.queueByARN(q.settings.redrive.target) != nil
}

func (q *queue) deliveries(taken []*message) []delivery {
	if len(taken) == 0 {
		return nil
	}
	out := make([]delivery, len(taken))
	for i, m := range taken {
		out[i] = delivery{message: *m, handle: handle{q.tag, m.seq, m.receipt}.String()}
	}
	return out
}

// resolve finds the message of a receipt handle. The message is nil if it is gone or has been received again since.
func (q *queue) resolve(text string) (*message, error) {
	if q.deleted {
		return nil, errQueueDoesNotExist()
	}
	h, ok := parseHandle(text)
	if !ok || h.queue != q.tag {
		return nil, errReceiptHandle(text)
	}
	m := q.messages[h.seq]
	if m == nil || m.receipt != h.receipt {
		return nil, nil
	}
	return m, nil
}

// delete deletes the message of a receipt handle. It succeeds for a message that is gone and for a handle that a later
// receive has outdated, as on AWS; on a FIFO queue a handle dies with its visibility timeout.
func (q *queue) delete(receiptHandle string) error {
	q.lock()
	defer q.unlock()
	m, err := q.resolve(receiptHandle)
	if err != nil || m == nil {
		return err
	}
	if q.fifo && m.state != inFlight {
		return errParameter(receiptHandle, "ReceiptHandle", "The receipt handle has expired.")
	}
	q.drop(m)
	q.record(Deleted, m, q.now)
	return nil
}

// maxLease is the longest that a message stays in flight for one receive (dg:sqs-visibility-timeout).
const maxLease = 12 * time.Hour

// changeVisibility makes the message of a receipt handle invisible for timeout from now; 0 releases it at once.
func (q *queue) changeVisibility(receiptHandle string, timeout time.Duration) error {
	q.lock()
	defer q.unlock()
	m, err := q.resolve(receiptHandle)
	if err != nil {
		return err
	}
	if m == nil {
		return errMessageNotInflight(receiptHandle)
	}
	if q.now+timeout > m.leased+maxLease {
		return errInvalidParameter("Total VisibilityTimeout for the message is beyond the limit [%d seconds].", maxLease/time.Second)
	}
	if m.state == visible {
		m.group.remove(m) // its visibility has ended, nobody has received it since: AWS takes it back
	} else {
		q.unhide(m)
	}
	if timeout == 0 {
		m.visibleAt = q.now
		q.deadlines.move(m, m.sent+q.settings.retention)
		q.enlist(m)
	} else {
		q.hide(m, inFlight, q.now+timeout)
		q.settle(m.group)
	}
	q.record(VisibilityChanged, m, q.now)
	return nil
}

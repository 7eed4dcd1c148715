package sqslocal

import "time"

// attemptWindow is how long a ReceiveRequestAttemptId can be used again (api:ReceiveMessage).
const attemptWindow = 5 * time.Minute

// attempts remembers what a FIFO receive with a ReceiveRequestAttemptId handed out, so that a caller who lost the answer gets
// the same messages and handles again.
type attempts struct {
	byID  map[string]attempt
	order []attemptEntry // oldest first; all live equally long
}

type attempt struct {
	leases []leased
	until  time.Duration
}

type attemptEntry struct {
	id    string
	until time.Duration
}

// leased is a message as a receive left it.
type leased struct {
	m         *message
	receipt   uint32
	visibleAt time.Duration
}

func (a *attempts) remember(id string, got []*message, now time.Duration) {
	if a.byID == nil {
		a.byID = map[string]attempt{}
	}
	until := now + attemptWindow
	one := attempt{until: until}
	for _, m := range got {
		one.leases = append(one.leases, leased{m, m.receipt, m.visibleAt})
	}
	a.byID[id] = one
	a.order = append(a.order, attemptEntry{id, until})
}

func (a *attempts) find(id string, now time.Duration) (attempt, bool) {
	forgotten := 0
	for ; forgotten < len(a.order) && a.order[forgotten].until <= now; forgotten++ {
		e := a.order[forgotten]
		if a.byID[e.id].until == e.until {
			delete(a.byID, e.id)
		}
	}
	a.order = a.order[forgotten:]
	one, found := a.byID[id]
	return one, found
}

func (a *attempts) clear() { *a = attempts{} }

// repeat answers a receive whose attempt id has been seen: the same messages with a fresh visibility timeout while all are
// untouched, an error once one was deleted or changed, and nothing, which means a receive like any other, when their
// visibility has ended by itself.
func (q *queue) repeat(id string, timeout time.Duration) ([]*message, error) {
	earlier, found := q.attempts.find(id, q.now)
	if !found {
		return nil, nil
	}
	for _, l := range earlier.leases {
		switch {
		case q.messages[l.m.seq] != l.m || l.m.visibleAt != l.visibleAt && l.m.receipt == l.receipt:
			return nil, errParameter(id, "ReceiveRequestAttemptId",
				"The receiveRequestAttemptId is not valid anymore since the receive call is not retryable.")
		case l.m.state != inFlight || l.m.receipt != l.receipt:
			return nil, nil
		}
	}
	again := make([]*message, len(earlier.leases))
	for i, l := range earlier.leases {
		l.m.visibleAt = q.now + timeout
		q.deadlines.move(l.m, min(l.m.visibleAt, l.m.sent+q.settings.retention))
		again[i] = l.m
	}
	q.attempts.remember(id, again, q.now)
	return again, nil
}

package sqslocal

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// queue is one SQS queue: plain state under one lock, no HTTP and no goroutine of its own. Every operation first brings the
// queue up to the present (advance), so that only a waiting poll needs a timer.
type queue struct {
	server *Server
	name   string
	arn    string
	fifo   bool
	tag    uint64 // tells this queue's receipt handles from another's, also from those of an earlier queue of this name

	mu         sync.Mutex
	now        time.Duration // the moment of the current operation
	random     *rand.Rand
	settings   settings
	tags       map[string]string
	created    time.Duration
	modified   time.Duration
	purged     time.Duration
	deleted    bool
	messages   map[uint64]*message
	lastSeq    uint64
	lastOrder  uint64
	lastNumber uint64
	groups     map[string]*group
	ready      ready
	deadlines  deadlines
	delayed    int
	inFlight   int
	polls      polls
	alarm      *alarm
	dedup      dedup
	attempts   attempts
}

// lock takes the lock and brings the queue up to the present.
func (q *queue) lock() {
	q.mu.Lock()
	q.now = q.server.now()
	q.advance()
}

// unlock passes what is receivable to a waiting poll, sees to it that the next change by time finds the polls, and lets go.
func (q *queue) unlock() {
	if !q.polls.empty() {
		if q.ready.first() != nil && !q.full() {
			q.polls.wake()
		}
		q.setAlarm()
	}
	q.mu.Unlock()
}

// advance lets everything happen that time has brought since the last operation.
func (q *queue) advance() {
	for {
		next, pending := q.deadlines.next()
		if !pending || next.at > q.now {
			return
		}
		m := next.m
		if expires := m.sent + q.settings.retention; expires <= q.now {
			q.drop(m)
			q.record(Expired, m, expires)
			continue
		}
		if m.state == inFlight {
			q.record(Reappeared, m, m.visibleAt)
		}
		q.show(m)
	}
}

// add takes a message in that has its body and identity. It becomes visible after delay.
func (q *queue) add(m *message, groupID string, delay time.Duration) {
	q.lastSeq++
	m.seq = q.lastSeq
	q.place(m, groupID)
	if delay > 0 {
		q.hide(m, delayed, q.now+delay)
		return
	}
	q.enlist(m)
}

// place files a message that has its seq, and leaves it to the caller to make it visible or not.
func (q *queue) place(m *message, groupID string) {
	m.group = q.groups[groupID]
	if m.group == nil {
		m.group = &group{id: groupID, index: -1}
		q.groups[groupID] = m.group
	}
	q.messages[m.seq] = m
	q.deadlines.add(m, m.sent+q.settings.retention)
}

// hide makes m, which must not be in a ready list, invisible until at.
func (q *queue) hide(m *message, s state, at time.Duration) {
	m.state, m.visibleAt = s, at
	m.group.held++
	if s == inFlight {
		m.group.inFlight++
		q.inFlight++
	} else {
		q.delayed++
	}
	q.deadlines.move(m, min(at, m.sent+q.settings.retention))
}

// unhide undoes the counting of hide.
func (q *queue) unhide(m *message) {
	m.group.held--
	if m.state == inFlight {
		m.group.inFlight--
		q.inFlight--
	} else {
		q.delayed--
	}
	m.state = visible
}

// show makes a hidden message visible again: in its old place on a FIFO queue, behind the others on a standard one, so that
// a message that keeps failing does not hold up the rest.
func (q *queue) show(m *message) {
	q.unhide(m)
	q.deadlines.move(m, m.sent+q.settings.retention)
	q.enlist(m)
}

func (q *queue) enlist(m *message) {
	q.lastOrder++
	m.order = q.lastOrder
	if q.fifo {
		m.group.insert(m)
	} else {
		m.group.push(m)
	}
	q.settle(m.group)
}

// settle keeps the order of groups after g has changed, and forgets it when nothing is left of it.
func (q *queue) settle(g *group) {
	if g.index < 0 {
		q.lastOrder++
		g.rank = q.lastOrder
	}
	q.ready.settle(g)
	if g.head == nil && g.held == 0 {
		delete(q.groups, g.id)
	}
}

// drop takes m out of the queue for good.
func (q *queue) drop(m *message) {
	if m.state == visible {
		m.group.remove(m)
	} else {
		q.unhide(m)
	}
	q.settle(m.group)
	q.deadlines.remove(m)
	delete(q.messages, m.seq)
}

// purge drops every message, in whatever state, and tells the journal.
func (q *queue) purge() {
	for _, m := range q.inOrder() {
		q.record(Purged, m, q.now)
	}
	q.clear()
}

// clear empties the queue.
func (q *queue) clear() {
	q.messages, q.groups = map[uint64]*message{}, map[string]*group{}
	q.delayed, q.inFlight = 0, 0
	q.deadlines.clear()
	q.ready.clear()
	q.attempts.clear()
}

// maxInFlight is SQS's limit of messages in flight per queue (dg:quotas-messages).
const maxInFlight = 120_000

func (q *queue) full() bool { return q.inFlight >= maxInFlight }

func (q *queue) newID() uuid { return newUUID(q.random) }

// inOrder returns all messages, oldest in the queue first.
func (q *queue) inOrder() []*message {
	all := make([]*message, 0, len(q.messages))
	for _, m := range q.messages {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

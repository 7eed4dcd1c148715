package sqslocal

// group holds the visible messages of one message group, oldest first. On a standard queue all messages without a group id
// share one group, which has no owner to be fair to.
type group struct {
	id         string
	head, tail *message
	held       int    // messages of the group that are delayed or in flight
	inFlight   int    // of these, in flight
	rank       uint64 // when a FIFO group last became receivable
	index      int    // in the ready heap, -1 while not receivable
}

// push appends m.
func (g *group) push(m *message) {
	m.prev, m.next = g.tail, nil
	if g.tail == nil {
		g.head = m
	} else {
		g.tail.next = m
	}
	g.tail = m
}

// insert puts m at its place by order of arrival: at the end if it is new. Otherwise it walks from the head, because what
// comes back to a FIFO group is older than what still waits there.
func (g *group) insert(m *message) {
	if g.tail != nil && g.tail.seq < m.seq {
		g.push(m)
		return
	}
	at := g.head
	for at != nil && at.seq < m.seq {
		at = at.next
	}
	if at == nil {
		g.push(m)
		return
	}
	m.prev, m.next = at.prev, at
	if at.prev == nil {
		g.head = m
	} else {
		at.prev.next = m
	}
	at.prev = m
}

func (g *group) remove(m *message) {
	if m.prev == nil {
		g.head = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		g.tail = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.prev, m.next = nil, nil
}

// ready orders the groups that a receive may take from: by age, but noisy tenants of a fair queue behind quiet ones. A FIFO group
// is here only while it is unlocked.
type ready struct {
	fifo   bool
	groups []*group
}

// first returns the group to take from next, nil if there is none.
func (r *ready) first() *group {
	if len(r.groups) == 0 {
		return nil
	}
	return r.groups[0]
}

// settle puts g where its state says it belongs: in, out, or elsewhere in the order.
func (r *ready) settle(g *group) {
	receivable := g.head != nil && (!r.fifo || g.inFlight == 0)
	switch {
	case receivable && g.index < 0:
		r.groups = append(r.groups, g)
		g.index = len(r.groups) - 1
		r.up(g.index)
	case receivable:
		if !r.up(g.index) {
			r.down(g.index)
		}
	case g.index >= 0:
		r.drop(g)
	}
}

func (r *ready) drop(g *group) {
	i, last := g.index, len(r.groups)-1
	r.swap(i, last)
	r.groups[last] = nil
	r.groups = r.groups[:last]
	g.index = -1
	if i < last && !r.up(i) {
		r.down(i)
	}
}

func (r *ready) clear() { r.groups = nil }

func (r *ready) less(a, b *group) bool {
	if r.fifo {
		return a.rank < b.rank
	}
	if x, y := a.load(), b.load(); x != y {
		return x < y
	}
	return a.head.order < b.head.order
}

// noisyInFlight is how many messages a tenant has in flight before it counts as noisy (dg:sqs-fair-queues-detailed). The page
// also asks for a tenth of all in flight; without that a noisy tenant of a large queue is found sooner.
const noisyInFlight = 30

// load is what a fair queue weighs: nothing for quiet tenants, the messages in flight of noisy ones. Messages without a group
// count as quiet tenants of their own.
func (g *group) load() int {
	if g.id == "" || g.inFlight < noisyInFlight {
		return 0
	}
	return g.inFlight
}

func (r *ready) up(i int) bool {
	start := i
	for i > 0 {
		parent := (i - 1) / 2
		if !r.less(r.groups[i], r.groups[parent]) {
			break
		}
		r.swap(i, parent)
		i = parent
	}
	return i != start
}

func (r *ready) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(r.groups); c++ {
			if r.less(r.groups[c], r.groups[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		r.swap(i, least)
		i = least
	}
}

func (r *ready) swap(i, j int) {
	r.groups[i], r.groups[j] = r.groups[j], r.groups[i]
	r.groups[i].index, r.groups[j].index = i, j
}

package sqs

import (
	"container/list"
	"time"
)

// line is the entries of one destination that wait for a request, in order. On FIFO a group shows only
// its first entry, and the next one when that is answered: a request whose entries fail one by one can
// then never store a later event of a group before an earlier one. It is not safe for concurrent use.
type line struct {
	maxBytes int
	packed   bool // a group's entries may share a request

	ready  list.List         // of *entry
	groups map[string]*group // FIFO groups with an entry that is ready or in a request

	waiting       int // entries in line
	takeable      int // of these, entries that requests could take now
	takeableBytes int
}

// group is what one FIFO group has in line.
type group struct {
	waiting list.List // behind the entry that is ready or in a request
	bytes   int       // of those that wait
	flying  int       // entries in a request, 0 while the first one is ready
}

// push adds an entry at the end.
func (l *line) push(e *entry) {
	l.waiting++
	g := l.groups[e.order]
	if g != nil {
		e.place, e.within = g.waiting.PushBack(e), &g.waiting
		g.bytes += e.size
		if l.packed && g.flying == 0 {
			l.count(1, e.size)
		}
		return
	}
	if e.order != "" {
		if l.groups == nil {
			l.groups = map[string]*group{}
		}
		l.groups[e.order] = &group{}
	}
	l.show(e)
}

func (l *line) show(e *entry) {
	e.since = time.Now()
	e.place, e.within = l.ready.PushBack(e), &l.ready
	l.count(1, e.size)
}

func (l *line) count(entries, bytes int) {
	l.takeable += entries
	l.takeableBytes += bytes
}

// full says whether take has all that a request holds.
func (l *line) full() bool { return l.takeable >= maxBatch || l.takeableBytes >= l.maxBytes }

// oldest is since when the first entry could have left. There must be one.
func (l *line) oldest() time.Time { return first(&l.ready).since }

// take removes the entries of the next request.
func (l *line) take() []*entry {
	batch := make([]*entry, 0, min(l.takeable, maxBatch))
	bytes := 0
	fits := func(from *list.List) bool {
		return from.Len() > 0 && len(batch) < maxBatch && bytes+first(from).size <= l.maxBytes
	}
	leave := func(from *list.List) *entry {
		e := first(from)
		e.leave()
		l.waiting--
		l.count(-1, -e.size)
		batch = append(batch, e)
		bytes += e.size
		return e
	}
	for fits(&l.ready) {
		e := leave(&l.ready)
		g := l.groups[e.order]
		if g == nil {
			continue
		}
		g.flying = 1
		if !l.packed {
			continue
		}
		for fits(&g.waiting) {
			g.bytes -= leave(&g.waiting).size
			g.flying++
		}
		l.count(-g.waiting.Len(), -g.bytes) // their group is in a request now
	}
	return batch
}

// done tells that an entry of a request has its answer, so that its group may go on.
func (l *line) done(e *entry) {
	g := l.groups[e.order]
	if g == nil {
		return
	}
	if g.flying--; g.flying == 0 {
		l.forward(e.order, g)
	}
}

// forward shows the first of those that wait in a group.
func (l *line) forward(order string, g *group) {
	if g.waiting.Len() == 0 {
		delete(l.groups, order)
		return
	}
	e := first(&g.waiting)
	e.leave()
	g.bytes -= e.size
	l.show(e)
	if l.packed {
		l.count(g.waiting.Len(), g.bytes)
	}
}

// remove takes an entry out before its turn. False means that it is not in line any more.
func (l *line) remove(e *entry) bool {
	if e.place == nil {
		return false
	}
	g, shown := l.groups[e.order], e.within == &l.ready
	e.leave()
	l.waiting--
	if shown || l.packed && g.flying == 0 {
		l.count(-1, -e.size)
	}
	switch {
	case g == nil:
	case !shown:
		g.bytes -= e.size
	default:
		if l.packed {
			l.count(-g.waiting.Len(), -g.bytes) // forward counts them again
		}
		l.forward(e.order, g)
	}
	return true
}

// drain empties the line. Entries in requests stay known as such.
func (l *line) drain() []*entry {
	var all []*entry
	for l.ready.Len() > 0 {
		e := first(&l.ready)
		l.remove(e) // which shows the next of its group
		all = append(all, e)
	}
	for _, g := range l.groups {
		for g.waiting.Len() > 0 {
			e := first(&g.waiting)
			l.remove(e)
			all = append(all, e)
		}
	}
	return all
}

// leave takes the entry out of the list that holds it.
func (e *entry) leave() {
	e.within.Remove(e.place)
	e.place, e.within = nil, nil
}

func first(from *list.List) *entry {
	return from.Front().Value.(*entry) //nolint:errcheck,forcetypeassert // only entries are pushed
}

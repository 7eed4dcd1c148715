package sqslocal

import "time"

// deadlines is a four-ary min-heap of the next moment at which something happens to a message by itself: its delay or its
// visibility timeout ends, or its retention does. Each message of a queue is in it once. Times sit next to the pointers, so
// that sifting through a million messages touches few cache lines.
type deadlines struct {
	items []deadline
}

type deadline struct {
	at time.Duration
	m  *message
}

const heapArity = 4

// next returns the earliest deadline.
func (d *deadlines) next() (deadline, bool) {
	if len(d.items) == 0 {
		return deadline{}, false
	}
	return d.items[0], true
}

func (d *deadlines) add(m *message, at time.Duration) {
	d.items = append(d.items, deadline{at, m})
	d.up(len(d.items) - 1)
}

// move changes m's deadline.
func (d *deadlines) move(m *message, at time.Duration) {
	d.items[m.deadline].at = at
	d.fix(m.deadline)
}

func (d *deadlines) remove(m *message) {
	i, last := m.deadline, len(d.items)-1
	d.items[i] = d.items[last]
	d.items[last] = deadline{}
	d.items = d.items[:last]
	if i < last {
		d.items[i].m.deadline = i
		d.fix(i)
	}
}

func (d *deadlines) clear() { d.items = nil }

func (d *deadlines) fix(i int) {
	if !d.up(i) {
		d.down(i)
	}
}

// up moves the item at i towards the root and reports whether it moved.
func (d *deadlines) up(i int) bool {
	item, start := d.items[i], i
	for i > 0 {
		parent := (i - 1) / heapArity
		if d.items[parent].at <= item.at {
			break
		}
		d.put(i, d.items[parent])
		i = parent
	}
	d.put(i, item)
	return i != start
}

func (d *deadlines) down(i int) {
	item := d.items[i]
	for {
		first := i*heapArity + 1
		if first >= len(d.items) {
			break
		}
		least := first
		for c := first + 1; c < min(first+heapArity, len(d.items)); c++ {
			if d.items[c].at < d.items[least].at {
				least = c
			}
		}
		if item.at <= d.items[least].at {
			break
		}
		d.put(i, d.items[least])
		i = least
	}
	d.put(i, item)
}

func (d *deadlines) put(i int, item deadline) {
	d.items[i] = item
	item.m.deadline = i
}

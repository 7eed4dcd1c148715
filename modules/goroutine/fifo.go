package goroutine

import (
	"context"
	"time"
)

// entry is a task that waits. It is a value: a waiting task costs its place in the ring, 40 bytes, and
// no allocation.
type entry struct {
	ctx    context.Context // the caller's, or one merged by Pool.scope
	fn     func(context.Context) error
	future *future // nil if nobody awaits it
	since  time.Duration
}

func (e *entry) name() string {
	if e.future != nil {
		return nameOf(e.ctx, e.future.pc)
	}
	return nameOf(e.ctx, pcOf(e.fn))
}

// fifo is a growing ring of entries. One that is taken out of the middle leaves a hole, which is
// skipped. Pool.mu guards it.
type fifo struct {
	ring []entry // its length is zero or a power of two
	head int     // index of the first entry, never a hole
	len  int     // entries, holes included
	n    int     // tasks
}

const fifoMin = 16

func (f *fifo) push(e *entry) {
	if f.len == len(f.ring) {
		f.resize()
	}
	f.ring[(f.head+f.len)&(len(f.ring)-1)] = *e
	f.len++
	f.n++
}

// first is the head, in place until it is dropped. It needs a fifo that is not empty, as drop does.
func (f *fifo) first() *entry { return &f.ring[f.head] }

// drop removes the head and the holes behind it.
func (f *fifo) drop() {
	f.n--
	for {
		f.ring[f.head] = entry{}
		f.head = (f.head + 1) & (len(f.ring) - 1)
		f.len--
		if f.len == 0 || f.ring[f.head].fn != nil {
			return
		}
	}
}

// remove takes out the entry of a future that waits. It looks from the end: what is taken out has
// mostly just been put in.
func (f *fifo) remove(of *future) entry {
	mask := len(f.ring) - 1
	i := f.len - 1
	for f.ring[(f.head+i)&mask].future != of {
		i--
	}
	e := f.ring[(f.head+i)&mask]
	if i == 0 {
		f.drop()
		return e
	}
	f.n--
	f.ring[(f.head+i)&mask] = entry{}
	for f.ring[(f.head+f.len-1)&mask].fn == nil { // ends at the head
		f.len--
	}
	return e
}

// resize makes room, and squeezes holes out.
func (f *fifo) resize() {
	size := max(len(f.ring), fifoMin)
	if f.n > size/2 {
		size *= 2
	}
	ring := make([]entry, size)
	n := 0
	for i := range f.len {
		if e := f.ring[(f.head+i)&(len(f.ring)-1)]; e.fn != nil {
			ring[n] = e
			n++
		}
	}
	f.ring, f.head, f.len = ring, 0, n
}

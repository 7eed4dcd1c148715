package goroutine

// fifo is a growing ring of waiting tasks. Unlike a linked list it costs the collector one pointer per
// task. A task that is taken out of the middle leaves a hole, which is skipped. Pool.mu guards it.
type fifo struct {
	ring []*task // its length is zero or a power of two
	head int     // index of the first entry
	len  int     // entries, holes included
	n    int     // tasks
}

const fifoMin = 16

func (f *fifo) push(t *task) {
	if f.len == len(f.ring) {
		f.resize()
	}
	f.ring[(f.head+f.len)&(len(f.ring)-1)] = t
	f.len++
	f.n++
}

// first needs a fifo that is not empty.
func (f *fifo) first() *task { return f.ring[f.head] }

// pop needs a fifo that is not empty.
func (f *fifo) pop() *task {
	t := f.ring[f.head]
	f.n--
	f.drop()
	return t
}

// drop removes the head entry and the holes behind it, so that the head is always a task.
func (f *fifo) drop() {
	for {
		f.ring[f.head] = nil
		f.head = (f.head + 1) & (len(f.ring) - 1)
		f.len--
		if f.len == 0 || f.ring[f.head] != nil {
			return
		}
	}
}

// remove looks from the end: what is taken out has mostly just been put in.
func (f *fifo) remove(t *task) {
	mask := len(f.ring) - 1
	for i := f.len - 1; i >= 0; i-- {
		if f.ring[(f.head+i)&mask] != t {
			continue
		}
		f.n--
		if i == 0 {
			f.drop()
			return
		}
		f.ring[(f.head+i)&mask] = nil
		for f.ring[(f.head+f.len-1)&mask] == nil { // the head is a task: this ends
			f.len--
		}
		return
	}
}

// resize makes room, and squeezes holes out.
func (f *fifo) resize() {
	size := max(len(f.ring), fifoMin)
	if f.n > size/2 {
		size *= 2
	}
	ring := make([]*task, size)
	n := 0
	for i := range f.len {
		if t := f.ring[(f.head+i)&(len(f.ring)-1)]; t != nil {
			ring[n] = t
			n++
		}
	}
	f.ring, f.head, f.len = ring, 0, n
}

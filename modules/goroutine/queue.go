package goroutine

// queue is a first-in, first-out list whose links live inside its elements: pushing allocates nothing
// and any element can leave from the middle. An element is in one queue at most. Pool.mu guards them.
type queue[T any] struct {
	head, tail *node[T]
	n          int
}

type node[T any] struct {
	prev, next *node[T]
	value      *T
}

func (q *queue[T]) push(e *node[T]) {
	e.prev, e.next = q.tail, nil
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.next = e
	}
	q.tail = e
	q.n++
}

func (q *queue[T]) remove(e *node[T]) {
	if e.prev == nil {
		q.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	q.n--
}

// pop needs a queue that is not empty.
func (q *queue[T]) pop() *T {
	e := q.head
	q.remove(e)
	return e.value
}

// all visits the elements in order; the loop may remove the one it got.
func (q *queue[T]) all(yield func(*T) bool) {
	for e := q.head; e != nil; {
		next := e.next
		if !yield(e.value) {
			return
		}
		e = next
	}
}

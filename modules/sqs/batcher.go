package sqs

import (
	"sync"
	"time"
)

// batcher gathers entries until size of them are there or linger has passed since the first, and
// hands them to flush, each batch on a goroutine of its own. It is safe for concurrent use.
type batcher[T any] struct {
	size   int
	linger time.Duration
	flush  func([]T)

	mu      sync.Mutex
	pending []T
	timer   *time.Timer
}

func newBatcher[T any](size int, linger time.Duration, flush func([]T)) *batcher[T] {
	return &batcher[T]{size: size, linger: linger, flush: flush}
}

// add never blocks.
func (b *batcher[T]) add(entries ...T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		if b.pending == nil {
			b.pending = make([]T, 0, b.size)
		}
		b.pending = append(b.pending, e)
		if len(b.pending) == b.size {
			b.send()
		}
	}
	switch {
	case len(b.pending) == 0:
	case b.linger == 0:
		b.send()
	case b.timer == nil:
		b.timer = time.AfterFunc(b.linger, b.now)
	}
}

// now sends what is pending without waiting for more.
func (b *batcher[T]) now() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.send()
}

// send needs mu.
func (b *batcher[T]) send() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if len(b.pending) == 0 {
		return
	}
	batch := b.pending
	b.pending = nil
	go func() { // its owner counts the entries until they are settled
		deepen(false)
		b.flush(batch)
	}()
}

package goroutine

import (
	"sync/atomic"
	"time"
)

// clock measures time since the pool was made. Reading the machine's clock takes longer than all else
// that the pool does for a task, so at a high rate (see control) it is read for one task in thirty-two:
// then about is as old as a few short tasks, and only tasks with an exact start are measured.
type clock struct {
	base time.Time
	fast atomic.Bool
	last atomic.Int64
}

const timedEvery = 32 // tasks, when fast

func (c *clock) now() time.Duration {
	now := time.Since(c.base)
	if c.fast.Load() {
		c.last.Store(int64(now))
	}
	return now
}

func (c *clock) about() time.Duration {
	if c.fast.Load() {
		return time.Duration(c.last.Load())
	}
	return time.Since(c.base)
}

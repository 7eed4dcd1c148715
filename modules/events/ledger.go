package events

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"
)

// Ledger remembers which listener has finished which event, so that a
// redelivered event runs only the listeners that have not. Events are known by
// Source and ID together, joined into one key. Safe for concurrent use.
//
// Only success is remembered, a Skip included. The package eventstest holds the
// suite that every implementation passes.
type Ledger interface {
	// Finished returns those of the listeners that have finished the event. It
	// must not keep the slice.
	Finished(ctx context.Context, event string, listeners []string) ([]string, error)

	// Run calls fn and, if it returns nil, remembers that the listener has
	// finished the event; where the ledger shares a database with fn, both in
	// the transaction that fn's context carries. If the listener has finished
	// the event before, fn is not called, and Run returns false and no error.
	// While another Run of the same listener and event is under way, Run either
	// waits for it or returns an error that asks for a retry, such as
	// ErrInProgress. Errors of fn are returned as they are.
	Run(ctx context.Context, event, listener string, fn func(ctx context.Context) error) (ran bool, err error)
}

// ErrInProgress is the answer of a ledger while another delivery of the event
// runs the same listener.
var ErrInProgress = errors.New("events: listener is at work on another delivery of the event")

// errAlreadyDone is how the chain of a listener learns that there is nothing to
// do. It travels as a Skip, so that nothing retries it or counts it as failure.
var errAlreadyDone = errors.New("finished in an earlier delivery")

// inProgressDelay is how soon a twin delivery should come back: most listeners
// are done by then, and the first delivery acks the message anyway.
const inProgressDelay = time.Second

// MemoryLedger is a Ledger in the memory of this process: it forgets when the
// process ends, and does not know what other processes have done. It keeps the
// newest marks, one for each listener of each event, and forgets the oldest
// first; an event whose marks are forgotten runs its listeners again, as without
// a ledger.
//
// A mark is a fingerprint of 128 bits: a hundred thousand events take a few
// megabytes, and the garbage collector need not look into them. That two
// different marks of a full ledger share a fingerprint has a chance of 1 in 10^27.
type MemoryLedger struct {
	limit int
	seeds [4]maphash.Seed

	mu     sync.Mutex
	marks  map[fingerprint]bool // false while the listener runs, true once it has finished
	order  []fingerprint        // the finished ones, a ring once it is full
	oldest int                  // in order
}

// fingerprint stands for a listener and an event.
type fingerprint [2]uint64

// DefaultLedgerSize is how many marks a MemoryLedger keeps by default, about
// 12 MB when full.
const DefaultLedgerSize = 250_000

// NewMemoryLedger returns a ledger that keeps up to size marks; 0 or less means
// DefaultLedgerSize.
func NewMemoryLedger(size int) *MemoryLedger {
	if size <= 0 {
		size = DefaultLedgerSize
	}
	m := &MemoryLedger{limit: size, marks: map[fingerprint]bool{}}
	for i := range m.seeds {
		m.seeds[i] = maphash.MakeSeed()
	}
	return m
}

func (m *MemoryLedger) fingerprint(event, listener string) fingerprint {
	return fingerprint{
		maphash.String(m.seeds[0], event) ^ maphash.String(m.seeds[1], listener),
		maphash.String(m.seeds[2], event) ^ maphash.String(m.seeds[3], listener),
	}
}

// Finished implements Ledger.
func (m *MemoryLedger) Finished(_ context.Context, event string, listeners []string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var finished []string
	for _, l := range listeners {
		if m.marks[m.fingerprint(event, l)] {
			finished = append(finished, l)
		}
	}
	return finished, nil
}

// Run implements Ledger. It does not wait for a twin but answers ErrInProgress.
func (m *MemoryLedger) Run(ctx context.Context, event, listener string, fn func(context.Context) error) (ran bool, err error) {
	mark := m.fingerprint(event, listener)
	if run, err := m.begin(mark); !run {
		return false, err
	}
	succeeded := false
	defer func() { m.end(mark, succeeded) }() // also after a panic
	err = fn(ctx)
	succeeded = err == nil
	return true, err
}

// handle is Run for a handler of the bus, without the cost of a closure. A skip
// counts as success.
func (m *MemoryLedger) handle(ctx context.Context, event, listener string, h handler, e *incoming) (err error) {
	mark := m.fingerprint(event, listener)
	switch run, err := m.begin(mark); {
	case err != nil:
		return err
	case !run:
		return Skip(errAlreadyDone)
	}
	succeeded := false
	defer func() { m.end(mark, succeeded) }() // also after a panic
	err = h(ctx, e)
	succeeded = err == nil || finishedBySkip(err)
	return err
}

func (m *MemoryLedger) begin(mark fingerprint) (run bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch finished, known := m.marks[mark]; {
	case finished:
		return false, nil
	case known:
		return false, RetryAfter(ErrInProgress, inProgressDelay)
	}
	m.marks[mark] = false
	return true, nil
}

func (m *MemoryLedger) end(mark fingerprint, succeeded bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !succeeded {
		delete(m.marks, mark)
		return
	}
	m.marks[mark] = true
	if len(m.order) < m.limit {
		m.order = append(m.order, mark)
		return
	}
	delete(m.marks, m.order[m.oldest])
	m.order[m.oldest] = mark
	m.oldest = (m.oldest + 1) % m.limit
}

// Len returns how many marks are kept.
func (m *MemoryLedger) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.order)
}

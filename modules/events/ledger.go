package events

import (
	"context"
	"errors"
	"slices"
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
// newest events, a few hundred bytes each, and forgets the oldest first; a
// forgotten event runs all its listeners again, as without a ledger.
type MemoryLedger struct {
	limit int

	mu    sync.Mutex
	marks map[string]*mark
	queue []string // keys, the oldest first
}

type mark struct {
	finished []string
	running  []string
	room     [4]string // for both, while they are few
}

// DefaultLedgerSize is how many events a MemoryLedger remembers by default,
// about 25 MB when full.
const DefaultLedgerSize = 100_000

// NewMemoryLedger returns a ledger that remembers up to size events; 0 or less
// means DefaultLedgerSize.
func NewMemoryLedger(size int) *MemoryLedger {
	if size <= 0 {
		size = DefaultLedgerSize
	}
	return &MemoryLedger{limit: size, marks: make(map[string]*mark)}
}

// Finished implements Ledger.
func (m *MemoryLedger) Finished(_ context.Context, event string, listeners []string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.marks[event]
	if known == nil {
		return nil, nil
	}
	var finished []string
	for _, l := range listeners {
		if slices.Contains(known.finished, l) {
			finished = append(finished, l)
		}
	}
	return finished, nil
}

// Run implements Ledger. It does not wait for a twin but answers ErrInProgress.
func (m *MemoryLedger) Run(ctx context.Context, event, listener string, fn func(context.Context) error) (ran bool, err error) {
	if run, err := m.begin(event, listener); !run {
		return false, err
	}
	succeeded := false
	defer func() { m.end(event, listener, succeeded) }() // also after a panic
	err = fn(ctx)
	succeeded = err == nil
	return true, err
}

// handle is Run for a handler of the bus, without the cost of a closure. A skip counts as success.
func (m *MemoryLedger) handle(ctx context.Context, event, listener string, h handler, e *incoming) (err error) {
	run, err := m.begin(event, listener)
	switch {
	case err != nil:
		return err
	case !run:
		return Skip(errAlreadyDone)
	}
	succeeded := false
	defer func() { m.end(event, listener, succeeded) }() // also after a panic
	err = h(ctx, e)
	succeeded = err == nil || isSkip(err)
	return err
}

func (m *MemoryLedger) begin(event, listener string) (run bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.marks[event]
	if known == nil {
		known = m.add(event)
	}
	switch {
	case slices.Contains(known.finished, listener):
		return false, nil
	case slices.Contains(known.running, listener):
		return false, RetryAfter(ErrInProgress, inProgressDelay)
	}
	known.running = append(known.running, listener)
	return true, nil
}

func (m *MemoryLedger) end(event, listener string, succeeded bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.marks[event]
	if known == nil { // forgotten meanwhile
		if !succeeded {
			return
		}
		known = m.add(event)
	}
	known.running = slices.DeleteFunc(known.running, func(l string) bool { return l == listener })
	if succeeded && !slices.Contains(known.finished, listener) {
		known.finished = append(known.finished, listener)
	}
}

// add needs mu.
func (m *MemoryLedger) add(event string) *mark {
	if len(m.marks) >= m.limit {
		delete(m.marks, m.queue[0])
		m.queue[0] = ""
		m.queue = m.queue[1:] // the next growth leaves the room behind
	}
	known := new(mark)
	known.finished, known.running = known.room[0:0:2], known.room[2:2:4]
	m.marks[event] = known
	m.queue = append(m.queue, event)
	return known
}

// Len returns how many events are remembered.
func (m *MemoryLedger) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.marks)
}

package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Store is an append-only log of events. Safe for concurrent use. The package
// eventstest holds the suite that every implementation passes.
type Store interface {
	// Append adds events at the end, all or none. An event that is there
	// already, by Source and ID, is left as it was: appending twice is no error.
	Append(ctx context.Context, events ...Any) error

	// Read yields the events that the query selects, in the order of appending,
	// until it is exhausted, the loop ends, or an error was yielded. What is
	// appended meanwhile may or may not be seen. Data is a *Payload.
	Read(ctx context.Context, q Query) iter.Seq2[Recorded, error]
}

// Query selects events of a store; its conditions add up. The zero Query
// selects all.
type Query struct {
	// ID is the event's ID.
	ID string
	// Pattern selects by name, as a listener's does.
	Pattern string
	// From and To bound the event's Timestamp: From <= Timestamp < To.
	From, To time.Time
	// After leaves out everything up to and including that position.
	After Cursor
	// Limit ends after that many events; 0 means no limit.
	Limit int
}

// Cursor is a position in a store. Its text belongs to the store: keep it,
// pass it back, compare it only for equality.
type Cursor string

// Recorded is an event as a store keeps it.
type Recorded struct {
	Event  Any
	Cursor Cursor
	// At is when it was appended.
	At time.Time
}

// selects tells whether an event is part of the query, but for After and Limit.
func (q Query) selects(e *Any, pattern *router) bool {
	switch {
	case q.ID != "" && q.ID != e.ID,
		!q.From.IsZero() && e.Timestamp.Before(q.From),
		!q.To.IsZero() && !e.Timestamp.Before(q.To):
		return false
	case q.Pattern == "":
		return true
	}
	return len(pattern.match(e.Name).routes) > 0
}

// compile checks the pattern and makes it ready.
func (q Query) compile() (*router, error) {
	if q.Pattern == "" {
		return newRouter(nil), nil
	}
	if err := CheckPattern(q.Pattern); err != nil {
		return nil, err
	}
	return newRouter([]*route{{pattern: q.Pattern}}), nil
}

// MemoryStore is a Store in the memory of this process, for tests and for
// looking at the recent past. It keeps the newest events and drops the oldest.
type MemoryStore struct {
	limit int

	mu   sync.RWMutex
	log  []Recorded
	next uint64 // position of the next event
	ids  map[string]struct{}
}

// DefaultStoreSize is how many events a MemoryStore keeps by default.
const DefaultStoreSize = 10_000

// NewMemoryStore returns a store that keeps up to size events; 0 or less means
// DefaultStoreSize.
func NewMemoryStore(size int) *MemoryStore {
	if size <= 0 {
		size = DefaultStoreSize
	}
	return &MemoryStore{limit: size, ids: make(map[string]struct{})}
}

// Append implements Store. Payloads are kept as JSON.
func (m *MemoryStore) Append(_ context.Context, events ...Any) error {
	now := time.Now().UTC()
	fresh := make([]Recorded, 0, len(events))
	for _, e := range events {
		kept, err := freeze(e)
		if err != nil {
			return err
		}
		fresh = append(fresh, Recorded{Event: kept, At: now})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range fresh {
		key := r.Event.identity()
		if _, there := m.ids[key]; there {
			continue
		}
		m.ids[key] = struct{}{}
		m.next++
		r.Cursor = Cursor(strconv.FormatUint(m.next, 10))
		m.log = append(m.log, r)
	}
	if over := len(m.log) - m.limit; over > 0 {
		for _, r := range m.log[:over] {
			delete(m.ids, r.Event.identity())
		}
		clear(m.log[:over]) // the next growth leaves the room behind
		m.log = m.log[over:]
	}
	return nil
}

// Read implements Store. It reads the log as it is when the loop begins.
func (m *MemoryStore) Read(ctx context.Context, q Query) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		pattern, err := q.compile()
		var after uint64
		if err == nil && q.After != "" {
			if after, err = strconv.ParseUint(string(q.After), 10, 64); err != nil {
				err = fmt.Errorf("cursor %q is not of this store", q.After)
			}
		}
		if err != nil {
			yield(Recorded{}, fmt.Errorf("reading events: %w", err))
			return
		}
		log := m.since(after)
		read := 0
		for i := range log {
			if err := ctx.Err(); err != nil {
				yield(Recorded{}, fmt.Errorf("reading events: %w", context.Cause(ctx)))
				return
			}
			if !q.selects(&log[i].Event, pattern) {
				continue
			}
			r := log[i]
			r.Event.Metadata = maps.Clone(r.Event.Metadata)
			if !yield(r, nil) {
				return
			}
			if read++; read == q.Limit {
				return
			}
		}
	}
}

// since returns a copy of the log after a position.
func (m *MemoryStore) since(after uint64) []Recorded {
	m.mu.RLock()
	defer m.mu.RUnlock()
	first := m.next - uint64(len(m.log)) // the position before the oldest
	if after <= first {
		return slices.Clone(m.log)
	}
	return slices.Clone(m.log[min(after-first, uint64(len(m.log))):])
}

// freeze returns an event that shares nothing with e, its data as JSON.
func freeze(e Any) (Any, error) {
	if err := CheckName(e.Name); err != nil {
		return e, Permanent(fmt.Errorf("storing event: %w", err))
	}
	if e.ID == "" {
		return e, Permanent(fmt.Errorf("storing event %q: it has no ID", e.Name))
	}
	text, err := json.Marshal(e.Data)
	if err != nil {
		return e, Permanent(fmt.Errorf("storing event %q: %w", e.Name, err))
	}
	e.Data = NewPayload(bytes.Clone(text))
	e.Metadata = maps.Clone(e.Metadata)
	e.Timestamp = e.Timestamp.UTC()
	return e, nil
}

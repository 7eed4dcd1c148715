package sqslocal

import (
	"slices"
	"sync"
	"time"
)

// Happening is what a journal entry tells of a message.
type Happening string

// What can happen to a message.
const (
	Sent              Happening = "sent"
	Deduplicated      Happening = "deduplicated" // a send that a FIFO queue took for a duplicate of this message
	Received          Happening = "received"
	VisibilityChanged Happening = "visibility changed"
	Reappeared        Happening = "reappeared" // its visibility timeout ended while it was in flight
	Deleted           Happening = "deleted"
	DeadLettered      Happening = "dead-lettered" // it left this queue for its dead-letter queue
	Moved             Happening = "moved"         // a move task took it out of this queue
	Expired           Happening = "expired"       // its retention ended
	Purged            Happening = "purged"        // with its queue's messages or its queue
)

// Entry is one line of the journal.
type Entry struct {
	At        time.Time
	Queue     string
	MessageID string
	What      Happening
	Receives  int       // ApproximateReceiveCount after it
	VisibleAt time.Time // end of the visibility timeout that a receive or a change began
}

// Journal is a message's life as the server saw it, for assertions. It keeps the newest entries, Config.JournalSize of them.
// All methods may be called concurrently.
type Journal struct {
	start   time.Time
	mu      sync.Mutex
	entries []record // a ring once it is full
	next    int
	size    int
	dropped int
}

// record is an Entry before it is formatted: recording is on the hot path, reading is not.
type record struct {
	at, visibleAt time.Duration
	queue         string
	id            uuid
	what          Happening
	receives      int
}

func (j *Journal) add(r record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case len(j.entries) < j.size:
		j.entries = append(j.entries, r)
	case j.size > 0:
		j.entries[j.next] = r
		j.next = (j.next + 1) % j.size
		j.dropped++
	}
}

// Entries returns the journal, oldest first.
func (j *Journal) Entries() []Entry { return j.filter(func(*record) bool { return true }) }

// Of returns the life of one message, by its id, oldest first, in all queues.
func (j *Journal) Of(messageID string) []Entry {
	return j.filter(func(r *record) bool { return r.id.String() == messageID })
}

// Find returns the entries of one kind, oldest first.
func (j *Journal) Find(what Happening) []Entry {
	return j.filter(func(r *record) bool { return r.what == what })
}

// Count returns how often something happened to messages of a queue; an empty name counts all queues.
func (j *Journal) Count(queue string, what Happening) int {
	return len(j.filter(func(r *record) bool { return r.what == what && (queue == "" || r.queue == queue) }))
}

// Dropped returns how many entries have made room for newer ones.
func (j *Journal) Dropped() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

func (j *Journal) filter(keep func(*record) bool) []Entry {
	j.mu.Lock()
	kept := make([]record, 0, 16)
	for i := range j.entries {
		if r := &j.entries[(j.next+i)%len(j.entries)]; keep(r) {
			kept = append(kept, *r)
		}
	}
	j.mu.Unlock()
	out := make([]Entry, len(kept))
	for i, r := range kept {
		out[i] = Entry{
			At: j.start.Add(r.at), Queue: r.queue, MessageID: r.id.String(), What: r.what, Receives: r.receives,
		}
		if r.what == Received || r.what == VisibilityChanged {
			out[i].VisibleAt = j.start.Add(r.visibleAt)
		}
	}
	return slices.Clip(out)
}

func (q *queue) record(what Happening, m *message, at time.Duration) {
	q.server.journal.add(record{at: at, visibleAt: m.visibleAt, queue: q.name, id: m.id, what: what, receives: m.receives})
}

func (q *queue) recordDuplicate(id uuid) {
	q.server.journal.add(record{at: q.now, queue: q.name, id: id, what: Deduplicated})
}

package sqs

import "time"

const (
	// tripWindow is how often the rate of messages is measured anew.
	tripWindow = 50 * time.Millisecond

	// tripMemory is how long the shortest receive counts: an endpoint may become slower for good.
	tripMemory = 10 * time.Second

	grow  = 4 // times as many receives as the pace needs may be in flight,
	spare = 4 // and so many more
)

// trip tells how many receives in flight are of use. One that brings ten messages takes a round trip,
// so the pace at which messages are handled needs rate x round trip / 10 of them; four times as many let the
// rate grow by as much, round trip by round trip, until it follows no more. The round trip is the
// shortest seen: what requests wait for one another must not call for more of them. It needs the
// intake's mu.
type trip struct {
	shortest time.Duration // of the full receives within tripMemory
	seen     time.Time     // when that was

	rate  float64 // messages handled per second
	since time.Time
	acked int64
}

// polls takes note of a full receive that ended now and answers how many should be in flight.
func (t *trip) polls(acked int64, now time.Time, took time.Duration) int {
	if t.shortest == 0 || took <= t.shortest || now.Sub(t.seen) > tripMemory {
		t.shortest, t.seen = took, now
	}
	if d := now.Sub(t.since); d >= tripWindow {
		t.rate = float64(acked-t.acked) / d.Seconds()
		t.since, t.acked = now, acked
	}
	return spare + int(grow*t.rate*t.shortest.Seconds()/maxBatch)
}

package rig

import (
	"slices"
	"time"
)

// lives joins what the server saw of each message with what the clients did.
type lives struct {
	all  []life
	runs []run
}

// lives reads both sides' records, once the clients are gone or quiet.
func (b *bed) lives() (lives, error) {
	all, err := b.history()
	if err != nil {
		return lives{}, err
	}
	runs, err := readLedger(b.ledgerPath())
	return lives{all, runs}, err
}

// handled counts how often each message was handled.
func (l lives) handled() map[int]int {
	n := make(map[int]int, len(l.runs))
	for _, r := range l.runs {
		n[r.N]++
	}
	return n
}

// twice counts messages that were handled again.
func (l lives) twice() int {
	return len(l.runs) - len(l.handled())
}

// again counts messages that were handled and not deleted: SQS delivers them once more.
func (l lives) again() int {
	handled, n := l.handled(), 0
	for _, m := range l.all {
		if m.Deleted.IsZero() && handled[m.N] > 0 {
			n++
		}
	}
	return n
}

// lost counts messages that were deleted and never handled.
func (l lives) lost() int {
	handled, n := l.handled(), 0
	for _, m := range l.all {
		if !m.Deleted.IsZero() && handled[m.N] == 0 {
			n++
		}
	}
	return n
}

// unstarted counts receives of messages that no handler has finished: each burns an attempt.
func (l lives) unstarted() int {
	handled, n := l.handled(), 0
	for _, m := range l.all {
		n += max(len(m.Received)-handled[m.N], 0)
	}
	return n
}

// waits are the times from the newest receive of a message to its handler's start, in order.
func (l lives) waits() []time.Duration {
	return l.since(func(m life, began time.Time) time.Time {
		var received time.Time
		for _, at := range m.Received {
			if !at.After(began) {
				received = at
			}
		}
		return received
	})
}

// latencies are the times from the send of a message to its handler's start, in order.
func (l lives) latencies() []time.Duration {
	return l.since(func(m life, _ time.Time) time.Time { return m.Sent })
}

func (l lives) since(from func(m life, began time.Time) time.Time) []time.Duration {
	var all []time.Duration
	for _, r := range l.runs {
		if at := from(l.all[r.N], r.Began); !at.IsZero() {
			all = append(all, r.Began.Sub(at))
		}
	}
	slices.Sort(all)
	return all
}

// quantile of durations in order, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at].Microseconds()) / 1e3
}

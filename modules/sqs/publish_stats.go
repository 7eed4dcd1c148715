package sqs

import (
	"slices"
	"strings"
)

// PublishStats is how one destination of the publisher stands. The counters never go down.
type PublishStats struct {
	To       string // the name of the queue, topic or bus
	Sent     int64  // events that are stored
	Failed   int64  // events whose callers have an error
	Retried  int64  // entries that were sent once more
	Requests int64  // without the SDK's own attempts

	Waiting  int // events that wait for a request, or behind others of their group
	InFlight int // requests without an answer
}

// RequestsPerMessage is what a stored event costs in requests, 0 before the first. Ten to a request,
// 0.1, is the least that SQS allows.
func (s PublishStats) RequestsPerMessage() float64 {
	if s.Sent == 0 {
		return 0
	}
	return float64(s.Requests) / float64(s.Sent)
}

// Stats reads the counters of every destination that events have gone to, by name.
func (p *Publisher) Stats() []PublishStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]PublishStats, 0, len(p.outlets))
	for _, o := range p.outlets {
		all = append(all, o.stats())
	}
	slices.SortFunc(all, func(a, b PublishStats) int { return strings.Compare(a.To, b.To) })
	return all
}

func (o *outlet) stats() PublishStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return PublishStats{
		To: o.to.Name, Sent: o.tel.sent.Load(), Failed: o.tel.lost.Load(), Retried: o.tel.retried.Load(), Requests: o.tel.requests.Load(),
		Waiting: o.line.waiting, InFlight: o.requests,
	}
}

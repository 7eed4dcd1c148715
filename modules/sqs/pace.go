package sqs

import (
	"math"
	"time"
)

const (
	// publishLinger is the longest that an entry waits for others to share its request, and only while
	// others are expected. It is well below the 10 to 20 ms that a request takes.
	publishLinger = 5 * time.Millisecond

	// paceWindow is how far back the pace of publishing is remembered: long enough to bridge the
	// silence while all callers wait for their answers, short enough to forget a burst.
	paceWindow = 20 * time.Millisecond
)

// pace estimates how often something is published, as a count that fades with time.
type pace struct {
	count float64
	at    time.Time
}

// add takes note of one call.
func (p *pace) add(now time.Time) {
	p.count = p.fade(now) + 1
	p.at = now
}

func (p *pace) fade(now time.Time) float64 {
	return p.count * math.Exp(-float64(now.Sub(p.at))/float64(paceWindow))
}

// company says whether another call is expected within the linger. Waiting for nobody would only make
// the few callers of a quiet service slower.
func (p *pace) company(now time.Time) bool {
	return p.fade(now)*float64(publishLinger)/float64(paceWindow) >= 1
}

package sqs

import (
	"math"
	"time"
)

const (
	// publishLinger is how long an entry waits for others to share its request while a few of them are
	// expected in that time. It is well below the 10 to 20 ms that a request takes.
	publishLinger = 5 * time.Millisecond

	// patientLinger is the same while so many are expected that the request fills up anyway: callers
	// who got their answers together come back together, one request's time later.
	patientLinger = 20 * time.Millisecond

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

// linger is how long an entry should wait for others. Waiting for nobody would only make the few callers
// of a quiet service slower.
func (p *pace) linger(now time.Time) time.Duration {
	switch expected := p.fade(now) * float64(publishLinger) / float64(paceWindow); {
	case expected < 1:
		return 0
	case expected < maxBatch:
		return publishLinger
	}
	return patientLinger
}

package sqs

import (
	"context"
	"math"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// shares gives the pool's slots to the consumer's queues. What it divides by weight is worker time, not
// messages: time on a worker is what the pool has to give, and slow messages have no more right to it than
// quick ones.
//
// Each queue has a clock, which shows the worker time it has used divided by its weight. A slot goes to the
// queue whose clock will be the furthest behind, once the slots that it has by then have served for as long
// as they usually do. So the slots are divided by weight at each moment, as far as whole slots can be; and
// what is left over, or goes to another queue because this one has nothing at hand, the clocks remember and
// make up for. What may be off in the end is about one message for each slot, as none is interrupted.
//
// Only queues that want slots are compared. One that comes back after it wanted none has its clock set near
// to theirs: it has no claim to what others used meanwhile, and no debt for having had the pool to itself.
type shares struct {
	c      *Consumer
	queues []share

	// Of the queues that want slots.
	slots   int     // that they have
	weights float64 // their sum
	level   float64 // the clock that is the furthest behind
	polling float64 // what clocks advance by within the horizon, while a poll may be under way
}

// share is one queue's part.
type share struct {
	demand
	q      *intake
	weight float64
	start  func(*goroutine.Reservation) // starts a runner on a slot

	clock  float64 // in seconds
	offset float64 // the part of clock that is no worker time
	away   bool    // it wanted nothing when last looked at
	fair   float64 // slots that are its by weight, 0 while no other queue wants any
	missed int     // turns for which it had nothing at hand
}

func newShares(c *Consumer) *shares {
	s := &shares{c: c, queues: make([]share, len(c.intakes))}
	for i, q := range c.intakes {
		// Running listeners outlive the loop: nothing but a lost lease or the end of the stop budget cancels them.
		origin := events.WithOrigin(context.Background(), events.Origin{System: system, Destination: q.name})
		s.queues[i] = share{
			q: q, weight: float64(q.cfg.Weight), away: true,
			start: func(slots *goroutine.Reservation) { q.start(origin, slots) },
		}
	}
	return s
}

// startLoop gives the queues the slots they want. Only the end of ctx ends it.
func (c *Consumer) startLoop(ctx context.Context) {
	s := newShares(c)
	for ctx.Err() == nil {
		want := s.look()
		if want == 0 {
			await(ctx, c.mayStart)
			continue
		}
		slots, err := c.pool.Reserve(ctx, want)
		if err != nil {
			if ctx.Err() == nil {
				c.log.Warn("the pool gives no slots: nothing is polled, and received messages go back to their queues", zap.Error(err))
				<-ctx.Done()
			}
			return
		}
		s.look() // it may have taken a while
		s.give(slots)
	}
}

func await(ctx context.Context, signal <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-signal:
	}
}

// look reads what the queues want and how far they are, and answers how many slots they could use.
func (s *shares) look() (want int) {
	now := s.c.now()
	s.slots, s.weights = 0, 0
	level := math.Inf(1)
	for i := range s.queues {
		sh := &s.queues[i]
		sh.demand, sh.missed = sh.q.demand(now, sh.fair), 0
		sh.clock = sh.offset + sh.worked.Seconds()/sh.weight
		want += sh.ready
		if sh.dry {
			want++
		}
		if !sh.wants() {
			continue
		}
		s.slots += sh.slots
		s.weights += sh.weight
		if !sh.away {
			level = min(level, sh.clock)
		}
	}
	if !math.IsInf(level, 1) {
		s.level = level
	}
	perWeight := float64(s.slots+1) / s.weights
	s.polling = horizon.Seconds() * perWeight
	for i := range s.queues {
		sh := &s.queues[i]
		sh.fair = 0
		if !sh.wants() {
			sh.away = true
			continue
		}
		if sh.weight < s.weights {
			sh.fair = perWeight * sh.weight
		}
		if sh.away {
			sh.away = false
			near := sh.stint.Seconds()/sh.weight + s.polling
			sh.set(min(max(sh.clock, s.level-near), s.level+near))
		}
	}
	return want
}

func (sh *share) set(clock float64) {
	sh.offset += clock - sh.clock
	sh.clock = clock
}

// give starts messages on the slots and lets queues poll that have none.
func (s *shares) give(slots *goroutine.Reservation) {
	unused := false
	for range slots.Len() {
		first, next := s.next()
		if next == nil {
			unused = true
			break
		}
		if first != next {
			s.pass(first, next)
		}
		next.ready--
		next.slots++
		s.slots++
		next.start(slots)
	}
	slots.Release()
	for i := range s.queues {
		sh := &s.queues[i]
		switch {
		case sh.missed > 0:
			sh.q.stockUp(sh.missed, sh.fair)
		case sh.dry && (unused || !sh.more):
			sh.q.letPoll()
		case sh.stock > 0 && sh.fair == 0:
			sh.q.stockUp(0, 0) // no other queue wants its slots
		}
	}
}

// pass gives the turn of a queue that has nothing at hand to another one. Its clock stays behind, so that it
// makes up for that when it can; but no further than the other gets with the messages that it then runs, in
// the time of a poll. A queue that never can use its share has no claim that grows.
func (s *shares) pass(from, to *share) {
	from.missed++
	running := float64(to.slots+1) * to.stint.Seconds() / to.weight
	from.set(max(from.clock, to.clock-running-s.polling))
}

// next answers whose turn it is, and who comes next of those with a message at hand.
func (s *shares) next() (first, next *share) {
	perWeight := float64(s.slots+1) / s.weights
	soonest, soonestReady := math.Inf(1), math.Inf(1)
	for i := range s.queues {
		sh := &s.queues[i]
		if !sh.wants() {
			continue
		}
		// The half is for rounding: a slot more or less than its part, whatever is nearer.
		surplus := (float64(sh.slots)+0.5)/sh.weight - perWeight
		due := sh.clock + surplus*sh.stint.Seconds()
		if due < soonest {
			first, soonest = sh, due
		}
		if sh.ready > 0 && due < soonestReady {
			next, soonestReady = sh, due
		}
	}
	return first, next
}

package sqs

import (
	"context"
	"math"
	"sync"

	"go.uber.org/zap"

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
	c *Consumer

	mu     sync.Mutex
	queues []share

	// Of the queues that want slots.
	slots   int     // that they have
	weights float64 // their sum
	level   float64 // the clock that is the furthest behind
	limit   float64 // slots of the pool, while two queues or more want some
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
}

func newShares(c *Consumer) *shares {
	s := &shares{c: c, queues: make([]share, len(c.intakes))}
	for i, q := range c.intakes {
		s.queues[i] = share{
			q: q, weight: float64(q.cfg.Weight), away: true,
			start: q.start,
		}
	}
	return s
}

// loop gives the queues the slots they want. Only the end of ctx ends it.
func (s *shares) loop(ctx context.Context) {
	for ctx.Err() == nil {
		want := s.wanted()
		if want == 0 {
			await(ctx, s.c.mayStart)
			continue
		}
		slots, err := s.c.pool.Reserve(ctx, want)
		if err != nil {
			if ctx.Err() == nil {
				s.c.log.Warn("the pool gives no slots: nothing is polled, and received messages go back to their queues", zap.Error(err))
				<-ctx.Done()
			}
			return
		}
		s.give(slots)
	}
}

func await(ctx context.Context, signal <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-signal:
	}
}

// wanted is how many slots the queues could use.
func (s *shares) wanted() (want int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	for i := range s.queues {
		want += s.queues[i].ready
		if s.queues[i].dry {
			want++
		}
	}
	return want
}

// cameBack tells that a queue has messages again that wanted none: its claim begins now, and not with
// the next free slot.
func (s *shares) cameBack() {
	if len(s.queues) == 1 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
}

// look reads what the queues want and how far they are. It needs mu.
func (s *shares) look() {
	now := s.c.now()
	s.slots, s.weights = 0, 0
	level := math.Inf(1)
	for i := range s.queues {
		sh := &s.queues[i]
		sh.demand = sh.q.demand(now)
		sh.clock = sh.offset + sh.worked.Seconds()/sh.weight
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
	for i := range s.queues {
		s.compare(&s.queues[i])
	}
}

// compare sets what depends on the other queues.
func (s *shares) compare(sh *share) {
	fair := 0.0
	switch {
	case sh.full:
		fair = sh.fair // its stock is for the moment when one of its messages is done
	case sh.wants() && sh.weight < s.weights:
		s.limit = float64(s.c.pool.Limit())
		fair = s.limit * sh.weight / s.weights
	}
	if fair != sh.fair {
		sh.fair = fair
		sh.q.compete(fair)
	}
	if !sh.wants() {
		sh.away = true
		return
	}
	if sh.away {
		sh.away = false
		near := sh.stint.Seconds()/sh.weight + s.inAPoll()
		sh.set(min(max(sh.clock, s.level-near), s.level+near))
	}
}

// inAPoll is what clocks advance by while a poll may be under way.
func (s *shares) inAPoll() float64 { return horizon.Seconds() * s.limit / s.weights }

func (sh *share) set(clock float64) {
	sh.offset += clock - sh.clock
	sh.clock = clock
}

// give starts messages on the slots and lets queues poll that have none.
func (s *shares) give(slots *goroutine.Reservation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look() // the slots may have taken a while
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
		if sh := &s.queues[i]; sh.dry && (unused || !sh.more) {
			sh.q.letPoll()
		}
	}
}

// pass gives the turn of a queue that has nothing at hand to another one. Its clock stays behind, so that it
// makes up for that when it can; but no further than the other gets with a message on every slot. A queue
// that never can use its share has no claim that grows.
func (s *shares) pass(from, to *share) {
	round := s.limit * to.stint.Seconds() / to.weight
	from.set(max(from.clock, to.clock-round-s.inAPoll()))
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

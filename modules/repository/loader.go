package repository

import (
	"context"
	"sync/atomic"
)

// loader coalesces the finds of one repository. A find joins only a query that was not sent yet: so it
// reads what was committed before it was asked, and nothing is cached.
type loader[T any, ID comparable] struct {
	d         *DB
	keyed     *keyed[T, ID]
	partition func(ctx context.Context) string
	whole     *findLane[T, ID]            // without partitions
	lanes     map[string]*findLane[T, ID] // guarded by the dispatcher's lock; only those with work
}

func newLoader[T any, ID comparable](d *DB, q *keyed[T, ID], partition func(ctx context.Context) string) *loader[T, ID] {
	l := &loader[T, ID]{d: d, keyed: q, partition: partition, lanes: map[string]*findLane[T, ID]{}}
	l.whole = &findLane[T, ID]{loader: l}
	return l
}

// find is one caller's wish.
type find[T any, ID comparable] struct {
	ctx      context.Context // ends this wish only
	id       ID
	index    int
	answers  answers[T]
	answered atomic.Bool

	// Written under the dispatcher's lock, or by the runner that took the find.
	flight  *flight[T, ID]   // nil while queued
	place   int              // of the id among those of the flight
	unwatch func() (ok bool) // stops watching ctx; nil if nobody watches
}

// answer delivers once.
func (f *find[T, ID]) answer(result Result[T]) {
	if f.answered.Swap(true) {
		return
	}
	if f.unwatch != nil {
		f.unwatch()
	}
	result.Index = f.index
	f.answers.deliver(result)
}

// watch answers the find as soon as its own context ends, and cancels a query nobody waits for any more.
func (f *find[T, ID]) watch(d *dispatcher) {
	if f.unwatch != nil || f.ctx.Done() == nil {
		return
	}
	f.unwatch = context.AfterFunc(f.ctx, func() {
		if f.answered.Swap(true) {
			return
		}
		f.answers.deliver(Result[T]{Error: context.Cause(f.ctx), Index: f.index})
		d.mu.Lock()
		defer d.mu.Unlock()
		if f.flight != nil { // else whoever takes the queue leaves it out
			f.flight.leave()
		}
	})
}

// load queues a find and sees to its being sent.
func (l *loader[T, ID]) load(f *find[T, ID]) {
	if err := context.Cause(f.ctx); err != nil {
		f.answer(Result[T]{Error: err})
		return
	}
	name := ""
	if l.partition != nil {
		name = l.partition(f.ctx)
	}
	l.d.tel.finds.Add(1)
	d := l.d.finds
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		f.answer(Result[T]{Error: ErrClosed})
		return
	}
	lane := l.whole
	if l.partition != nil {
		if lane = l.lanes[name]; lane == nil {
			lane = &findLane[T, ID]{loader: l, name: name}
			l.lanes[name] = lane
		}
	}
	lane.queue = append(lane.queue, f)
	if lane.listed || !d.offer(lane) {
		f.watch(d) // it may wait long; one that is sent at once is watched when it is
	}
	lane.listed = true
}

// findLane queues the finds of one partition.
type findLane[T any, ID comparable] struct {
	loader *loader[T, ID]
	name   string
	queue  []*find[T, ID]
	listed bool // the dispatcher knows
}

func (l *findLane[T, ID]) refuse(err error) {
	for _, f := range l.queue {
		f.answer(Result[T]{Error: err})
	}
	l.queue = nil
}

func (l *findLane[T, ID]) take(d *dispatcher, r *runner) query {
	var fl *flight[T, ID]
	if len(l.queue) == 1 {
		fl = l.takeOne()
	} else {
		fl = l.takeMany(l.loader.d.cfg.Coalesce.MaxBatch)
	}
	l.listed = len(l.queue) > 0
	d.bursty = len(fl.finds) > 1 || l.listed
	if l.listed {
		d.offer(l)
	} else if l.loader.partition != nil {
		delete(l.loader.lanes, l.name) // there may be many
	}
	if len(fl.finds) == 0 {
		return nil
	}
	l.loader.d.tel.queries.Add(1)
	fl.prepare(d, r)
	return fl
}

func (l *findLane[T, ID]) takeOne() *flight[T, ID] {
	f := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[:0]
	one := &struct { // in one allocation
		flight[T, ID]
		finds   [1]*find[T, ID]
		ids     [1]ID
		results [1]Result[T]
	}{}
	one.loader = l.loader
	if f.answered.Load() {
		return &one.flight
	}
	one.finds[0], one.ids[0] = f, f.id
	one.flight.finds, one.flight.ids, one.flight.results = one.finds[:], one.ids[:], one.results[:]
	return &one.flight
}

// takeMany takes finds of at most limit ids. Where copies of a row share memory, a second find of an id
// waits for the next query, so that no two callers share.
func (l *findLane[T, ID]) takeMany(limit int) *flight[T, ID] {
	fl := &flight[T, ID]{loader: l.loader, places: make(map[ID]int, min(limit, len(l.queue)))}
	var stay []*find[T, ID]
	rest := len(l.queue)
	for i, f := range l.queue {
		if f.answered.Load() {
			continue
		}
		place, twice := fl.places[f.id]
		if twice && l.loader.keyed.model.shares {
			stay = append(stay, f)
			continue
		}
		if !twice {
			if place = len(fl.ids); place == limit {
				rest = i
				break
			}
			fl.places[f.id] = place
			fl.ids = append(fl.ids, f.id)
		}
		f.place = place
		fl.finds = append(fl.finds, f)
	}
	l.queue = append(stay, l.queue[rest:]...)
	fl.results = make([]Result[T], len(fl.finds))
	return fl
}

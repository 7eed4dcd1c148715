package repository

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// loader coalesces the finds of one repository. A find joins only a query that was not sent yet: so it
// reads what was committed before it was asked, and nothing is cached.
type loader[T any, ID comparable] struct {
	d         *DB
	keyed     *keyed[T, ID]
	partition func(ctx context.Context) string
	lanes     map[string]*findLane[T, ID] // guarded by the dispatcher's lock; only those with work
}

func newLoader[T any, ID comparable](d *DB, q *keyed[T, ID], partition func(ctx context.Context) string) *loader[T, ID] {
	return &loader[T, ID]{d: d, keyed: q, partition: partition, lanes: map[string]*findLane[T, ID]{}}
}

// find is one caller's wish.
type find[T any, ID comparable] struct {
	ctx     context.Context // ends this wish only
	id      ID
	index   int
	answers answers[T]

	// Guarded by the dispatcher's lock.
	done  bool
	batch *batch           // nil while queued
	unbid func() (ok bool) // stops watching ctx; nil if nobody watches

	lone struct { // what a query of this find alone needs, made with it
		batch   batch
		finds   [1]*find[T, ID]
		ids     [1]ID
		results [1]Result[T]
	}
}

// batch is a query in flight, for as long as somebody waits for it.
type batch struct {
	waiting int
	cancel  context.CancelCauseFunc
}

// load queues a find and sees to its being sent.
func (l *loader[T, ID]) load(f *find[T, ID]) {
	if err := context.Cause(f.ctx); err != nil {
		f.answers.deliver(Result[T]{Error: err, Index: f.index})
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
		f.answers.deliver(Result[T]{Error: ErrClosed, Index: f.index})
		return
	}
	lane := l.lanes[name]
	if lane == nil {
		lane = &findLane[T, ID]{loader: l, name: name}
		l.lanes[name] = lane
	}
	lane.queue = append(lane.queue, f)
	if lane.listed || !d.offer(lane) {
		lane.watch(f) // it may wait long; a find that is sent at once needs no watching
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

func (l *findLane[T, ID]) waiting() bool { return len(l.queue) > 0 }

// watch answers the find as soon as its own context ends. The lock is held.
func (l *findLane[T, ID]) watch(f *find[T, ID]) {
	if f.unbid != nil || f.ctx.Done() == nil {
		return
	}
	f.unbid = context.AfterFunc(f.ctx, func() {
		d := l.loader.d.finds
		d.mu.Lock()
		defer d.mu.Unlock()
		l.answer(f, Result[T]{Error: context.Cause(f.ctx)})
	})
}

// answer delivers once. When nobody waits for a query any more, it is cancelled. The lock is held.
func (l *findLane[T, ID]) answer(f *find[T, ID], result Result[T]) {
	if f.done {
		return
	}
	f.done = true
	if f.unbid != nil {
		f.unbid()
	}
	if f.batch != nil {
		if f.batch.waiting--; f.batch.waiting == 0 {
			f.batch.cancel(context.Canceled)
		}
	}
	result.Index = f.index
	f.answers.deliver(result)
}

func (l *findLane[T, ID]) refuse(err error) {
	for _, f := range l.queue {
		l.answer(f, Result[T]{Error: err})
	}
	l.queue = nil
}

func (l *findLane[T, ID]) send(d *dispatcher, r *runner) {
	l.listed = false
	finds, ids := l.take()
	d.bursty = len(finds) > 1 || l.waiting()
	if l.waiting() {
		l.listed = true
		d.offer(l)
	} else if l.name != "" {
		delete(l.loader.lanes, l.name) // there may be many partitions; the lane of those without one stays
	}
	if len(finds) == 0 {
		return
	}
	l.loader.d.tel.queries.Add(1)

	ctx, cancel := l.context(finds)
	b := &finds[0].lone.batch
	*b = batch{waiting: len(finds), cancel: cancel}
	for _, f := range finds {
		f.batch = b
	}
	r.cancel = cancel
	d.mu.Unlock()

	var results []Result[T]
	left := true
	defer func() { // also when a model's own code calls Goexit
		d.mu.Lock()
		r.cancel = nil
		for i, f := range finds {
			if left {
				l.answer(f, Result[T]{Error: goroutine.ErrGoexit})
			} else {
				l.answer(f, results[i])
			}
		}
		cancel(nil)
	}()
	results = l.query(ctx, finds, ids)
	left = false
}

// take removes from the queue what one query can carry: finds of at most MaxBatch ids. Where copies of
// a row share memory, a second find of an id waits for the next query, so that no two callers share.
func (l *findLane[T, ID]) take() (finds []*find[T, ID], ids []ID) {
	if len(l.queue) == 1 {
		f := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[:0]
		if f.done {
			return nil, nil
		}
		f.lone.finds[0], f.lone.ids[0] = f, f.id
		return f.lone.finds[:], f.lone.ids[:]
	}
	limit := l.loader.d.cfg.Coalesce.MaxBatch
	seen := make(map[ID]struct{}, min(limit, len(l.queue)))
	var stay []*find[T, ID]
	rest := len(l.queue)
	for i, f := range l.queue {
		if f.done {
			continue
		}
		_, twice := seen[f.id]
		if !twice && len(ids) == limit {
			rest = i
			break
		}
		switch {
		case twice && l.loader.keyed.model.shares:
			stay = append(stay, f)
			continue
		case !twice:
			seen[f.id] = struct{}{}
			ids = append(ids, f.id)
		}
		finds = append(finds, f)
	}
	l.queue = append(stay, l.queue[rest:]...)
	return finds, ids
}

// context is what the query runs on: a lone caller's own, or one that ends when the last of its callers
// has left, with the values of the first.
func (l *findLane[T, ID]) context(finds []*find[T, ID]) (context.Context, context.CancelCauseFunc) {
	if len(finds) == 1 && finds[0].unbid == nil {
		return context.WithCancelCause(finds[0].ctx)
	}
	for _, f := range finds {
		l.watch(f)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(finds[0].ctx))
	limit := l.loader.d.cfg.QueryTimeout
	if limit <= 0 {
		return ctx, cancel
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	return ctx, func(cause error) { cancel(cause); stop() }
}

// query answers each find: its value, or its error.
func (l *findLane[T, ID]) query(ctx context.Context, finds []*find[T, ID], ids []ID) (results []Result[T]) {
	if results = finds[0].lone.results[:]; len(finds) > 1 {
		results = make([]Result[T], len(finds))
	}
	defer func() {
		if v := recover(); v != nil {
			err := &goroutine.PanicError{Value: v, Stack: debug.Stack()}
			for i := range results {
				results[i] = Result[T]{Error: err}
			}
		}
	}()
	q := l.loader.keyed
	if len(finds) == 1 {
		results[0].Data, results[0].Error = q.one(ctx, ids[0])
		return results
	}
	rows, err := q.find(ctx, ids)
	if err != nil && l.loader.d.dialect.Classify(err) == FaultValue {
		// One id that the database cannot read must not fail its neighbours.
		for i, f := range finds {
			results[i].Data, results[i].Error = q.one(ctx, f.id)
		}
		return results
	}
	if err != nil {
		err = fmt.Errorf("repository: finding %d %s in one query: %w", len(ids), q.model.schema.Table, err)
		for i := range results {
			results[i].Error = err
		}
		return results
	}
	index, stray := q.index(ctx, ids, rows)
	for i, f := range finds {
		at, found := index[f.id]
		switch {
		case found:
			results[i].Data = rows[at]
		case stray:
			results[i].Data, results[i].Error = q.one(ctx, f.id)
		default:
			results[i].Error = q.notFound(f.id)
		}
	}
	return results
}

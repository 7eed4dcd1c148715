package repository

import (
	"context"
	"sync/atomic"
)

// Result is the answer to one find.
type Result[T any] struct {
	Data  T
	Error error
	Index int // the position in the ids that were asked for
}

// answers is a channel, closed after its last answer if it promises several.
type answers[T any] struct {
	ch      chan Result[T]
	pending *atomic.Int64 // of several; nil for a single one
}

// deliver never blocks: the channel has room for every answer.
func (a answers[T]) deliver(r Result[T]) {
	a.ch <- r
	if a.pending != nil && a.pending.Add(-1) == 0 {
		close(a.ch)
	}
}

// FindAsync asks for a row and returns at once. The channel always gets exactly one answer, also when ctx
// ends, the row is missing or the database stops; nobody needs to receive it.
//
// Finds that are under way at the same time share queries: a find is sent at once while one of the
// database's slots is free, and what queues meanwhile goes out as one query. Each caller keeps its own
// value, error and cancellation. Inside a transaction FindAsync runs in it, before it returns.
func (r *Repository[T, ID]) FindAsync(ctx context.Context, id ID) <-chan Result[T] {
	ch := make(chan Result[T], 1)
	if r.d.InTx(ctx) {
		row, err := r.keyed.one(ctx, id)
		ch <- Result[T]{Data: row, Error: err}
		return ch
	}
	r.finds.load(&find[T, ID]{ctx: ctx, id: id, answers: answers[T]{ch: ch}})
	return ch
}

// FindManyAsync asks for rows and returns at once. The channel gets one answer for each id, in the order
// in which they arrive, told apart by Index, and is then closed. It shares queries as FindAsync does.
func (r *Repository[T, ID]) FindManyAsync(ctx context.Context, ids []ID) <-chan Result[T] {
	a := answers[T]{make(chan Result[T], len(ids)), new(atomic.Int64)} // room for all: nobody waits for a slow receiver
	if len(ids) == 0 {
		close(a.ch)
		return a.ch
	}
	a.pending.Store(int64(len(ids)))
	inTx := r.d.InTx(ctx)
	for i, id := range ids {
		if inTx {
			row, err := r.keyed.one(ctx, id)
			a.deliver(Result[T]{Data: row, Error: err, Index: i})
			continue
		}
		r.finds.load(&find[T, ID]{ctx: ctx, id: id, index: i, answers: a})
	}
	return a.ch
}

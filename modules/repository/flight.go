package repository

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// flight is a query with the finds that it answers.
type flight[T any, ID comparable] struct {
	loader  *loader[T, ID]
	finds   []*find[T, ID]
	ids     []ID       // distinct
	places  map[ID]int // of ids; nil if there is one
	results []Result[T]

	ctx    context.Context // of the query
	cancel context.CancelCauseFunc
	lent   lent // what ctx is for a lone find

	// Guarded by the dispatcher's lock.
	waiting int  // finds whose callers have not left
	landed  bool // the query is over: cancelling would hit the runner's next one
}

// prepare makes what the query runs on. The lock is held.
func (fl *flight[T, ID]) prepare(d *dispatcher, r *runner) {
	fl.waiting = len(fl.finds)
	for _, f := range fl.finds {
		f.flight = fl
		f.watch(d)
	}
	first := fl.finds[0].ctx
	if fl.lone() {
		if r.ctx == nil || r.ctx.Err() != nil {
			r.ctx, r.cancel = context.WithCancelCause(context.Background())
		}
		fl.lent = lent{r.ctx, first}
		fl.ctx, fl.cancel = &fl.lent, r.cancel
		return
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(first))
	fl.ctx, fl.cancel = ctx, cancel
	if limit := fl.loader.d.cfg.QueryTimeout; limit > 0 {
		timed, stop := context.WithTimeout(ctx, limit)
		fl.ctx, fl.cancel = timed, func(cause error) { cancel(cause); stop() }
	}
}

// land tells that the query is over. The lock is held.
func (fl *flight[T, ID]) land() { fl.landed = true }

// leave counts a caller out, and cancels a query nobody waits for any more. The lock is held.
func (fl *flight[T, ID]) leave() {
	if fl.waiting--; fl.waiting == 0 && !fl.landed {
		fl.cancel(context.Canceled)
	}
}

// lent is the context of a lone find's query: it ends with the runner's, which lasts for many queries,
// and has the values of the caller's. A context made for each query would cost a lone find more than
// everything else here does.
type lent struct {
	context.Context
	caller context.Context
}

func (c *lent) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v // the runner's own, so that package context finds its way
	}
	return c.caller.Value(key)
}

func (fl *flight[T, ID]) lone() bool { return len(fl.finds) == 1 }

func (fl *flight[T, ID]) abort(cause error) { fl.cancel(cause) }

// run asks the database. It leaves a result for each find, also when a model's own code panics or ends
// the goroutine.
func (fl *flight[T, ID]) run() {
	returned := false
	defer func() {
		if returned {
			return
		}
		err := goroutine.ErrGoexit
		if v := recover(); v != nil {
			err = &goroutine.PanicError{Value: v, Stack: debug.Stack()}
		}
		fl.fail(err)
	}()
	fl.read()
	returned = true
}

func (fl *flight[T, ID]) fail(err error) {
	for i := range fl.results {
		fl.results[i] = Result[T]{Error: err}
	}
}

func (fl *flight[T, ID]) deliver() {
	for i, f := range fl.finds {
		f.answer(fl.results[i])
	}
	if !fl.lone() {
		fl.cancel(nil) // a lone find's is the runner's
	}
}

func (fl *flight[T, ID]) read() {
	q := fl.loader.keyed
	alone := func(i int) { fl.results[i].Data, fl.results[i].Error = q.one(fl.ctx, fl.finds[i].id) }
	if fl.lone() {
		alone(0)
		return
	}
	rows, err := q.find(fl.ctx, fl.ids)
	if err != nil && fl.loader.d.dialect.Classify(err) == FaultValue {
		// One id that the database cannot read must not fail its neighbours.
		for i := range fl.finds {
			alone(i)
		}
		return
	}
	if err != nil {
		fl.fail(fmt.Errorf("repository: finding %d %s in one query: %w", len(fl.ids), q.model.schema.Table, err))
		return
	}
	at, stray := q.locate(fl.ctx, fl.places, rows)
	for i, f := range fl.finds {
		switch row := at[f.place]; {
		case row >= 0:
			fl.results[i].Data = rows[row]
		case stray:
			alone(i)
		default:
			fl.results[i].Error = q.notFound(f.id)
		}
	}
}

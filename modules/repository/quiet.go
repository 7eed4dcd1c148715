package repository

import "context"

// quiet has no Done, so that database/sql does not watch the query with a goroutine of its own: starting
// and ending that takes longer than handing a find to a runner. The driver ends the query instead. Only
// the wait for a free connection cannot be ended; whoever asked does not take part in it.
type quiet struct{ context.Context }

type endingKey struct{}

func (quiet) Done() <-chan struct{} { return nil }

func (q quiet) Value(key any) any {
	if key == (endingKey{}) {
		return q.Context
	}
	return q.Context.Value(key)
}

// Ending returns the context that ends a query which database/sql was given ctx for. It is for drivers,
// see [Dialect.Ends].
func Ending(ctx context.Context) context.Context {
	if own, ok := ctx.Value(endingKey{}).(context.Context); ok {
		return own
	}
	return ctx
}

// quiet tells whether a find may do without database/sql's watching: the driver of a handle of ours does
// it, and no code of the model's gets to see the context.
func (q *keyed[T, ID]) quiet() bool {
	return q.d.dialect.Ends && !q.d.borrows && q.scan != nil
}

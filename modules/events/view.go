package events

import "context"

// view is the short way of a dispatched event into listeners that have no
// options, take the very type that was dispatched, and copy it by assignment:
// the typed event is made once for all of them, and each is handed a copy.
// Making it anew for each took half as long as the join on the pool.
type view interface {
	// bind gives a run its short way. set takes an event, or answers false if
	// it has to go the general way. short hands the event that set was given
	// last to the routes whose views take the same type, and the event of the
	// general way to the others.
	bind(r *run) (set func(Any) bool, short way)
}

// way gets an event into the route of that index.
type way = func(ctx context.Context, i int) error

// viewOf is the view of a listener that takes a T.
type viewOf[T any] struct {
	handle func(context.Context, Event[T]) error
}

func (*viewOf[T]) bind(r *run) (set func(Any) bool, short way) {
	// A variable of its own can be handed on with one copy. What a pointer leads
	// to is copied twice, the second time before the processor is through with
	// the first: that took as long as all else here.
	var typed Event[T]
	set = func(e Any) bool {
		if e.Metadata != nil { // a map: to each its own
			return false
		}
		typed.ID, typed.Name, typed.Timestamp, typed.Source = e.ID, e.Name, e.Timestamp, e.Source
		var ok bool
		typed.Data, ok = e.Data.(T)
		return ok
	}
	short = func(ctx context.Context, i int) error {
		if v, ok := r.routes[i].view.(*viewOf[T]); ok {
			return v.handle(ctx, typed)
		}
		return r.hand(ctx, i)
	}
	return set, short
}

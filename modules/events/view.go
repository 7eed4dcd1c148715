package events

import "context"

// view is the short way of a dispatched event into listeners that have no
// options, take the very type that was dispatched, and copy it by assignment:
// the typed event is made once for all of them, and each is handed a copy.
// Making it anew for each took half as long as the join on the pool.
type view struct {
	handle any // a func(context.Context, Event[T]) error
	// bind returns a function that runs the routes whose view takes the same T
	// with the event that set was given last, and leaves the others to other.
	// set answers false if the event cannot go this way.
	bind func(routes []*route, other step) (set func(Any) bool, short step)
}

// step runs the route of that index.
type step = func(ctx context.Context, i int) error

func newView[T any](handle func(context.Context, Event[T]) error) *view {
	return &view{handle: handle, bind: bind[T]}
}

func bind[T any](routes []*route, other step) (set func(Any) bool, short step) {
	// A variable of its own can be handed on with one copy. What a pointer leads
	// to is copied twice, the second time before the processor is through with
	// the first: that took as long as all else here.
	var typed Event[T]
	handles := make([]func(context.Context, Event[T]) error, len(routes))
	for i, rt := range routes {
		if rt.view != nil {
			handles[i], _ = rt.view.handle.(func(context.Context, Event[T]) error)
		}
	}
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
		if handle := handles[i]; handle != nil {
			return handle(ctx, typed)
		}
		return other(ctx, i)
	}
	return set, short
}

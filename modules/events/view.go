package events

import "context"

// view is the short way of a dispatched event into listeners that have no
// options, take the very type that was dispatched, and copy it by assignment:
// the typed event is made once for all of them, and each is handed a copy.
// Making it anew for each took half as long as the join on the pool.
type view struct {
	handle any // a func(context.Context, Event[T]) error
	// bind makes a functions for the routes whose view takes the same T, nil
	// for the others. They hand on the event that set was given last, which
	// says whether it may go this way at all.
	bind func(routes []*route) (set func(Any) bool, fns []function)
}

// function is what the pool runs.
type function = func(context.Context) error

func newView[T any](handle func(context.Context, Event[T]) error) *view {
	return &view{handle: handle, bind: bind[T]}
}

func bind[T any](routes []*route) (set func(Any) bool, fns []function) {
	// A variable that its functions share, since it can be handed on with one
	// copy. What a pointer leads to is copied twice, the second time before the
	// processor is through with the first.
	var typed Event[T]
	fns = make([]function, len(routes))
	for i, rt := range routes {
		if rt.view == nil {
			continue
		}
		if handle, ok := rt.view.handle.(func(context.Context, Event[T]) error); ok {
			fns[i] = func(ctx context.Context) error { return handle(ctx, typed) }
		}
	}
	return func(e Any) bool {
		if e.Metadata != nil { // a map: to each its own
			return false
		}
		typed.ID, typed.Name, typed.Timestamp, typed.Source = e.ID, e.Name, e.Timestamp, e.Source
		var ok bool
		typed.Data, ok = e.Data.(T)
		return ok
	}, fns
}

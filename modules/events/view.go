package events

import "context"

// view is the short way of a dispatched event into listeners that have no
// options, take the very type that was dispatched, and copy it by assignment:
// the typed event is made once for all of them, and each is handed a copy.
// Making it anew for each took half as long as the join on the pool.
type view struct {
	// fill puts the event into box, which it makes if need be, and reports
	// whether the event may go this way.
	fill func(box any, e *Any) (any, bool)
	// call hands the event in box to the listener, unless box is of another
	// type.
	call func(ctx context.Context, box any) (called bool, err error)
}

func newView[T any](handle func(context.Context, Event[T]) error) *view {
	return &view{
		fill: func(box any, e *Any) (any, bool) {
			data, ok := e.Data.(T)
			if !ok || e.Metadata != nil { // metadata is a map: to each its own
				return box, false
			}
			typed, ok := box.(*Event[T])
			if !ok {
				typed = new(Event[T])
			}
			*typed = Event[T]{ID: e.ID, Name: e.Name, Data: data, Timestamp: e.Timestamp, Source: e.Source}
			return typed, true
		},
		call: func(ctx context.Context, box any) (bool, error) {
			typed, ok := box.(*Event[T])
			if !ok {
				return false, nil
			}
			return true, handle(ctx, *typed)
		},
	}
}

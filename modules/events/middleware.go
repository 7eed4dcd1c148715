package events

import (
	"context"
	"slices"
)

// Handler is one step on an event's way into a listener.
type Handler func(ctx context.Context, e Any) error

// Middleware wraps a listener's handler. It is called once per listener when
// the bus is made, so that what depends on the listener alone is worked out
// beforehand; the handler it returns is called for each event, concurrently.
type Middleware func(l Listener, next Handler) Handler

// chain wraps h so that the first middleware is outermost.
func chain(l Listener, h Handler, middleware []Middleware) Handler {
	for _, wrap := range slices.Backward(middleware) {
		h = wrap(l, h)
	}
	return h
}

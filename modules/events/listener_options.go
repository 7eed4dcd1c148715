package events

import (
	"time"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// ListenerOption changes how the bus runs one listener.
type ListenerOption func(*listenerOptions)

// listenerOptions holds what was set; nil and zero mean: not limited.
type listenerOptions struct {
	order       int
	fallback    bool
	middleware  []Middleware
	validate    bool
	retry       *goroutine.RetryPolicy
	breaker     *goroutine.BreakerConfig
	timeout     *time.Duration
	concurrency *int
}

func newListenerOptions(opts []ListenerOption) listenerOptions {
	var o listenerOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Order puts the listener into a stage. An event's stages run one after the
// other, lowest first; the listeners of a stage run in parallel. A stage that
// fails ends the delivery: what comes later waits for the retry. Default 0.
func Order(stage int) ListenerOption {
	return func(o *listenerOptions) { o.order = stage }
}

// Fallback keeps a listener on a wildcard from events that some listener's
// pattern spells out. It answers [ErrNoListener] for an event that must not count
// as handled though other wildcards select it.
func Fallback() ListenerOption {
	return func(o *listenerOptions) { o.fallback = true }
}

// Use wraps this listener in middleware, the first one outermost, inside the
// middleware of the bus.
func Use(middleware ...Middleware) ListenerOption {
	return func(o *listenerOptions) { o.middleware = append(o.middleware, middleware...) }
}

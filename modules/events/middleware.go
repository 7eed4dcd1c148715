package events

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// Handler is one step on an event's way into a listener.
type Handler func(ctx context.Context, e Any) error

// Middleware wraps a listener's handler. It is called once per listener when
// the bus is made, so that what depends on the listener alone is worked out
// beforehand; the handler it returns is called for each event, concurrently. It
// must not change the event's data or metadata, which other listeners share at
// this point.
type Middleware func(l Listener, next Handler) Handler

// handler is a Handler inside the bus. It only reads the event: copying it at
// each step took as long as all else together.
type handler func(ctx context.Context, e *incoming) error

// incoming is an event on its way through the bus.
type incoming struct {
	Any
	key string // its identity, if the ledger has been asked for it
}

// compile builds the way into a listener, from outside to inside: middleware of
// the bus, of the listener, its limits, the ledger, the listener itself. What
// has no options and no middleware is called directly.
func compile(rt *route, base handler, wraps []Middleware, limits []limit, ledger Ledger) {
	build := func(h handler) handler {
		for _, limit := range slices.Backward(limits) {
			h = limit(h)
		}
		return wrapped(rt.listener, h, wraps)
	}
	safe := contained(base)
	if len(wraps)+len(limits) == 0 {
		rt.handle = base // the pool contains its panics
	} else {
		rt.handle = build(safe)
	}
	rt.deliver = rt.handle
	if ledger != nil {
		rt.deliver = build(ledgered(rt.name, safe, ledger))
	}
}

// wrapped puts middleware around h, the first one outermost.
func wrapped(l Listener, h handler, wraps []Middleware) handler {
	if len(wraps) == 0 {
		return h
	}
	next := Handler(func(ctx context.Context, e Any) error { return h(ctx, &incoming{Any: e}) })
	for _, wrap := range slices.Backward(wraps) {
		next = wrap(l, next)
	}
	return func(ctx context.Context, e *incoming) error { return next(ctx, e.Any) }
}

// contained turns a panic into an error where it happens, so that retries,
// breakers and transactions around it see a failure like any other.
func contained(h handler) handler {
	return func(ctx context.Context, e *incoming) (err error) {
		defer func() {
			if fault := recover(); fault != nil {
				err = &goroutine.PanicError{Value: fault, Stack: debug.Stack()}
			}
		}()
		return h(ctx, e)
	}
}

// finishedBySkip says that a skipping listener need not see the event again: it was not sent again for it.
func finishedBySkip(err error) bool {
	skip, ok := errors.AsType[*skipError](err)
	return ok && !skip.resent
}

// ledgered runs h through the ledger.
func ledgered(listener string, h handler, ledger Ledger) handler {
	memory, inMemory := ledger.(*MemoryLedger)
	return func(ctx context.Context, e *incoming) error {
		if e.ID == "" {
			return h(ctx, e) // nothing to know it by
		}
		key := e.key
		if key == "" { // middleware hands on the event alone
			key = e.identity()
		}
		if inMemory {
			return memory.handle(ctx, key, listener, h, e)
		}
		var skipped error
		ran, err := ledger.Run(ctx, key, listener, func(ctx context.Context) error {
			err := h(ctx, e)
			if finishedBySkip(err) {
				skipped, err = err, nil
			}
			return err
		})
		switch {
		case err != nil:
			return err
		case !ran:
			return Skip(errAlreadyDone)
		}
		return skipped
	}
}

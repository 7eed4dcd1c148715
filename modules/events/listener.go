package events

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Listener reacts to the events that its pattern selects. Make one with
// [Topic.Listener] or [On]; implement it by hand where neither fits. Options
// reach a hand-made one through [With].
//
// Handle runs on the pool, concurrently with the other listeners of the event
// and with itself for other events. It returns nil when the event is done with.
// An error asks for another delivery; [Permanent], [RetryAfter] and [Skip] say
// something else. Delivery is at least once: a listener must bear to see an
// event twice.
type Listener interface {
	// Name is unique in the application and stable over its releases.
	Name() string
	// Pattern selects events by name; see [CheckPattern].
	Pattern() string
	// Handle reacts to one event. Its ctx ends when the work has become
	// pointless: time-out, lost lease, shutdown.
	Handle(ctx context.Context, e Any) error
}

// On returns a listener for all events whose name the pattern selects: a name,
// "user.*" for one more segment, "user.**" for one or more. The payload is
// handed over as a T, see [As]; use T any or json.RawMessage to take whatever
// comes.
func On[T any](pattern, name string, handle func(context.Context, Event[T]) error, opts ...ListenerOption) Listener {
	return newListener(pattern, name, handle, opts)
}

// listener is what Topic.Listener and On return.
type listener struct {
	name, pattern string
	topic         bool // pattern and payload belong to a Topic
	payload       reflect.Type
	handle        func(check bool) handler // nil if the user's is
	view          view                     // nil if copying T takes more than an assignment
	options       listenerOptions
}

func newListener[T any](pattern, name string, handle func(context.Context, Event[T]) error, opts []ListenerOption) *listener {
	l := &listener{name: name, pattern: pattern, payload: reflect.TypeFor[T](), options: newListenerOptions(opts)}
	if handle == nil {
		return l
	}
	flat := shapeOf(l.payload).flat
	if flat {
		l.view = &viewOf[T]{handle}
	}
	l.handle = func(check bool) handler {
		return func(ctx context.Context, e *incoming) error {
			typed, err := as[T](&e.Any, flat)
			if err != nil {
				if wrong, ok := errors.AsType[*PayloadError](err); ok {
					wrong.Listener = name
				}
				return err
			}
			if check {
				if err := validatePayload(name, e.Name, typed.Data); err != nil {
					return err
				}
			}
			return handle(ctx, typed)
		}
	}
	return l
}

func (l *listener) Name() string    { return l.name }
func (l *listener) Pattern() string { return l.pattern }

func (l *listener) Handle(ctx context.Context, e Any) error {
	if l.handle == nil {
		return Permanent(fmt.Errorf("listener %q has no handler", l.name))
	}
	return l.handle(l.options.validate)(ctx, &incoming{Any: e})
}

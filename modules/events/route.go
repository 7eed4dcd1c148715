package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
)

// route is one listener, made ready to run.
type route struct {
	listener Listener
	name     string
	pattern  string
	order    int
	fallback bool         // see Fallback
	payload  reflect.Type // nil if the listener was made by hand
	handle   handler      // the listener with all its options
	deliver  handler      // the same, behind the ledger
	view     view         // the short way, if there is one
	runs     sync.Pool    // of *run, bound to the view
}

// newRoutes checks all listeners, and reports every fault it finds at once.
// Value groups come in random order: the result is sorted.
func newRoutes(listeners []Listener, global []Middleware, ledger Ledger) ([]*route, error) {
	var (
		errs   []error
		routes = make([]*route, 0, len(listeners))
		names  = make(map[string]bool, len(listeners))
		topics = make(map[string]*route)
	)
	for i, l := range listeners {
		if isNil(l) {
			errs = append(errs, fmt.Errorf("listener %d of %d is nil: its constructor returned nothing", i+1, len(listeners)))
			continue
		}
		rt, err := newRoute(l, global, ledger)
		if err == nil && names[rt.name] {
			err = fmt.Errorf("listener %q: the name is taken: ledger and metrics know listeners by name", rt.name)
		}
		if err == nil {
			err = checkTopic(topics, rt)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names[rt.name] = true
		routes = append(routes, rt)
	}
	slices.SortFunc(routes, byOrderThenName)
	return routes, errors.Join(errs...)
}

func newRoute(l Listener, global []Middleware, ledger Ledger) (*route, error) {
	rt := &route{listener: l, name: l.Name(), pattern: l.Pattern()}
	if rt.name == "" {
		return nil, fmt.Errorf("listener on %q has no name", rt.pattern)
	}
	if err := CheckPattern(rt.pattern); err != nil {
		return nil, fmt.Errorf("listener %q: %w", rt.name, err)
	}
	made, options := specOf(l)
	base := isolated(l)
	switch {
	case made == nil && options.validate:
		return nil, fmt.Errorf("listener %q: option Validate: only listeners made with On or a Topic have a payload type", rt.name)
	case made == nil:
	case made.handle == nil:
		return nil, fmt.Errorf("listener %q has no handler: it is nil", rt.name)
	case made.topic && !isExact(rt.pattern):
		return nil, fmt.Errorf("listener %q: topic %q is not an event name: wildcards belong in On", rt.name, rt.pattern)
	default:
		rt.payload, base = made.payload, made.handle(options.validate)
	}
	if options.validate {
		if err := checkValidation(rt.payload); err != nil {
			return nil, fmt.Errorf("listener %q: %w", rt.name, err)
		}
	}
	rt.order, rt.fallback = options.order, options.fallback
	limits, err := newLimits(rt.name, options)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", rt.name, err)
	}
	wraps := slices.Concat(global, options.middleware)
	if made != nil && !options.validate && len(wraps)+len(limits) == 0 {
		rt.view = made.view
	}
	compile(rt, base, wraps, limits, ledger)
	return rt, nil
}

// isolated gives a listener made by hand its own copy of the event, as As does
// for the others.
func isolated(l Listener) handler {
	return func(ctx context.Context, shared *incoming) error {
		e := shared.Any
		e.Data, e.Metadata = clone(e.Data), maps.Clone(e.Metadata)
		return l.Handle(ctx, e)
	}
}

// checkTopic sees to it that a topic's name has one payload type in the
// application.
func checkTopic(topics map[string]*route, rt *route) error {
	made, _ := specOf(rt.listener)
	if made == nil || !made.topic {
		return nil
	}
	first, bound := topics[rt.pattern]
	if bound && first.payload != rt.payload {
		return fmt.Errorf("topic %q has two payload types: %v in listener %q, %v in listener %q",
			rt.pattern, first.payload, first.name, rt.payload, rt.name)
	}
	if !bound {
		topics[rt.pattern] = rt
	}
	return nil
}

// specOf returns what is known of a listener beyond its interface.
func specOf(l Listener) (*listener, listenerOptions) {
	switch l := l.(type) {
	case *listener:
		return l, l.options
	case *withOptions:
		made, options := specOf(l.Listener)
		l.apply(&options)
		return made, options
	}
	return nil, listenerOptions{}
}

func isNil(l Listener) bool {
	if l == nil {
		return true
	}
	v := reflect.ValueOf(l)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// With adds options to a listener, in the first place to one that was
// implemented by hand.
func With(l Listener, opts ...ListenerOption) Listener {
	return &withOptions{Listener: l, opts: opts}
}

type withOptions struct {
	Listener
	opts []ListenerOption
}

func (w *withOptions) apply(o *listenerOptions) {
	o.middleware = slices.Clone(o.middleware)
	for _, opt := range w.opts {
		opt(o)
	}
}

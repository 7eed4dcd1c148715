package events

import (
	"context"
	"reflect"
	"time"
)

// Topic binds an event name to the Go type of its payload, once, so that those
// who publish and those who listen cannot disagree. Topics are values, safe to
// keep in package variables and to use concurrently.
type Topic[T any] struct {
	name string
}

// NewTopic returns the topic of that name. It cannot fail, since topics live in
// package variables: a name that is not valid is an error from NewBus for each
// listener of the topic, and from Dispatch and Publish for each of its events.
func NewTopic[T any](name string) Topic[T] {
	return Topic[T]{name: name}
}

// Name returns the event name.
func (t Topic[T]) Name() string { return t.name }

// PayloadType returns the Go type of the topic's payload.
func (t Topic[T]) PayloadType() reflect.Type { return reflect.TypeFor[T]() }

// New makes an event of this topic that happened now, with a fresh ID.
func (t Topic[T]) New(data T, opts ...EventOption) Any {
	e := Any{ID: newID(), Name: t.name, Data: data, Timestamp: time.Now().UTC()}
	for _, opt := range opts {
		opt(&e)
	}
	return e
}

// Listener returns a listener for this topic's events. The name is unique in
// the application and stable over its releases: the ledger, logs and metrics
// know the listener by it.
func (t Topic[T]) Listener(name string, handle func(context.Context, Event[T]) error, opts ...ListenerOption) Listener {
	l := newListener(t.name, name, handle, opts)
	l.topic = true
	return l
}

package events

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// TopicInfo is a Topic whatever its payload type.
type TopicInfo interface {
	Name() string
	PayloadType() reflect.Type
}

// Contract lists what the application's listeners agree on with those who
// publish: the events by name or pattern, their payloads, who listens.
type Contract struct {
	Events []EventContract `json:"events"`
}

// EventContract is one event name or pattern.
type EventContract struct {
	// Name is the event name, or the pattern if Wildcard.
	Name     string `json:"name"`
	Wildcard bool   `json:"wildcard,omitempty"`
	// Payloads are the Go types that the topic and the listeners give the
	// payload. Several are no fault: a listener may take part of the payload.
	Payloads []PayloadContract `json:"payloads,omitempty"`
	// Listeners are those whose pattern is Name, and if it is no wildcard, the
	// listeners on wildcards that select it.
	Listeners []ListenerContract `json:"listeners,omitempty"`
}

// PayloadContract is one Go type of a payload.
type PayloadContract struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"` // JSON Schema 2020-12
}

// ListenerContract is one listener of an event.
type ListenerContract struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern"`
	Order   int    `json:"order,omitempty"`
	// Type is the payload type it takes, empty if it was made by hand.
	Type string `json:"type,omitempty"`
}

// Contract returns the contract of this bus, sorted by event name. It is worked
// out at each call.
func (b *Bus) Contract() Contract {
	events := make(map[string]*EventContract)
	types := make(map[string]map[reflect.Type]bool)
	add := func(name string, payload reflect.Type) {
		if events[name] == nil {
			events[name] = &EventContract{Name: name, Wildcard: !isExact(name)}
			types[name] = make(map[reflect.Type]bool)
		}
		if payload != nil {
			types[name][payload] = true
		}
	}
	for _, t := range b.topics {
		add(t.Name(), t.PayloadType())
	}
	for _, rt := range b.routes {
		add(rt.pattern, rt.payload)
	}
	var contract Contract
	for name, e := range events {
		listening := slices.DeleteFunc(slices.Clone(b.routes), func(rt *route) bool { return rt.pattern != name })
		if !e.Wildcard {
			listening = b.router.match(name).routes
		}
		for _, rt := range listening {
			l := ListenerContract{Name: rt.name, Pattern: rt.pattern, Order: rt.order}
			if rt.payload != nil {
				l.Type = rt.payload.String()
			}
			e.Listeners = append(e.Listeners, l)
		}
		for t := range types[name] {
			e.Payloads = append(e.Payloads, PayloadContract{Type: t.String(), Schema: schemaOf(t)})
		}
		slices.SortFunc(e.Payloads, func(a, b PayloadContract) int { return cmp.Compare(a.Type, b.Type) })
		contract.Events = append(contract.Events, *e)
	}
	slices.SortFunc(contract.Events, func(a, b EventContract) int { return cmp.Compare(a.Name, b.Name) })
	return contract
}

// checkTopics looks for topics that are malformed or contradict a listener's.
func checkTopics(routes []*route, topics []TopicInfo) error {
	var errs []error
	bound := make(map[string]reflect.Type)
	for _, rt := range routes {
		if made, _ := specOf(rt.listener); made != nil && made.topic {
			bound[rt.pattern] = rt.payload
		}
	}
	for i, t := range topics {
		if t == nil {
			errs = append(errs, fmt.Errorf("topic %d of %d is nil", i+1, len(topics)))
			continue
		}
		if err := CheckName(t.Name()); err != nil {
			errs = append(errs, fmt.Errorf("topic: %w", err))
			continue
		}
		if other := bound[t.Name()]; other != nil && other != t.PayloadType() {
			errs = append(errs, fmt.Errorf("topic %q has two payload types: %v and %v", t.Name(), other, t.PayloadType()))
		}
		bound[t.Name()] = t.PayloadType()
	}
	return errors.Join(errs...)
}

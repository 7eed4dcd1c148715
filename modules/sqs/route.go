package sqs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fxpond/fxpond/modules/events"
)

// Route sends the events whose name matches Pattern to one queue, topic or bus.
type Route struct {
	Pattern string // "user.created", "user.*" (one segment), "user.**" (the tail), "**" (all)

	// One of these says where to. A topic needs the module modules/sqs/sns, a bus modules/sqs/eventbridge.
	Queue string // name, URL or ARN
	Topic string // ARN
	Bus   string // name or ARN

	// GroupBy is the metadata key whose value becomes the message group id, so that one tenant's or one
	// customer's events are a group. [WithGroup] wins over it. Default: on FIFO the first segment of the
	// event's name, so that "user.created" and "user.deleted" keep their order; else none.
	GroupBy string

	// PackGroups puts several events of one FIFO group into a request, up to ten times the pace of a
	// group. When SQS then fails one of them alone while storing a later one, it fails to its caller
	// and is not retried, since that would change the order. Default: one event of a group at a time.
	PackGroups bool
}

// address is a destination as the configuration calls it.
type address struct{ kind, ref string }

const (
	kindQueue = "queue"
	kindTopic = "topic"
	kindBus   = "bus"
)

func (r Route) to() address {
	switch {
	case r.Topic != "":
		return address{kindTopic, r.Topic}
	case r.Bus != "":
		return address{kindBus, r.Bus}
	}
	return address{kindQueue, r.Queue}
}

// validateRoutes reports each problem with the field it is in.
func validateRoutes(routes []Route, report func(field string, value any, hint string)) {
	packs := map[address]bool{}
	for i, r := range routes {
		at := func(field string) string { return fmt.Sprintf("Publish[%d].%s", i, field) }
		if err := events.CheckPattern(r.Pattern); err != nil {
			report(at("Pattern"), fmt.Sprintf("%q", r.Pattern), err.Error())
		}
		to := r.to()
		if err := to.check(); err != nil {
			field := map[string]string{kindQueue: "Queue", kindTopic: "Topic", kindBus: "Bus"}[to.kind]
			report(at(field), fmt.Sprintf("%q", to.ref), err.Error())
		}
		if moreThanOne(r.Queue, r.Topic, r.Bus) {
			report(at("Queue"), fmt.Sprintf("%q", r.Queue), "set one of Queue, Topic and Bus; write two routes for two of them")
		}
		if packed, known := packs[to]; known && packed != r.PackGroups {
			report(at("PackGroups"), r.PackGroups, fmt.Sprintf("another route to %s %q says otherwise; its events share requests", to.kind, to.ref))
		}
		packs[to] = r.PackGroups
	}
}

func moreThanOne(refs ...string) bool {
	set := 0
	for _, ref := range refs {
		if ref != "" {
			set++
		}
	}
	return set > 1
}

func (a address) check() error {
	switch a.kind {
	case kindTopic:
		if !strings.HasPrefix(a.ref, "arn:") || strings.Count(a.ref, ":") != 5 {
			return errors.New("name the topic by its ARN, arn:aws:sns:region:account:name")
		}
		return nil
	case kindBus:
		return nil
	}
	_, err := queueName(a.ref)
	return err
}

// route finds the first route of the event, or the first to the queue that the event asks for.
func (c *Config) route(e *events.Any) (Route, error) {
	if queue, asked := e.Metadata[MetadataQueue]; asked {
		return c.routeTo(queue)
	}
	for _, r := range c.Publish {
		if events.Match(r.Pattern, e.Name) {
			return r, nil
		}
	}
	return Route{}, fmt.Errorf("no route for event %q: add a sqs.Route whose Pattern matches it to sqs.Config.Publish", e.Name)
}

func (c *Config) routeTo(queue string) (Route, error) {
	name, err := queueName(queue)
	if err != nil {
		return Route{}, fmt.Errorf("metadata %s: %q: %w", MetadataQueue, queue, err)
	}
	for _, r := range c.Publish {
		if known, err := queueName(r.Queue); err == nil && known == name {
			return r, nil
		}
	}
	for _, q := range c.Queues {
		if known, err := queueName(q.Name); err == nil && known == name {
			return Route{Queue: q.Name}, nil
		}
	}
	return Route{}, fmt.Errorf("metadata %s: no queue %q: add a sqs.Route with that Queue to sqs.Config.Publish", MetadataQueue, queue)
}

// usesQueues says whether an SQS client is needed.
func (c *Config) usesQueues() bool {
	return len(c.Queues) > 0 || slices.ContainsFunc(c.Publish, func(r Route) bool { return r.to().kind == kindQueue })
}

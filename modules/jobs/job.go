package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/fxpond/fxpond/modules/events"
)

// eventPrefix begins the name of the event that a job travels as.
const eventPrefix = "job."

// Job binds the name of a job to the Go type of its arguments and to its defaults, once, so that those
// who dispatch and the one who handles cannot disagree. Jobs are values: keep them in package variables
// and use them concurrently.
type Job[T any] struct{ def *definition }

// definition is a Job whatever its type.
type definition struct {
	name     string
	event    string
	defaults settings
	err      error
}

// New returns the job of that name, one segment such as "send-welcome", with the options as its defaults.
// It cannot fail, since jobs live in package variables: what is wrong with it is an error of each dispatch,
// and of the start of an app that handles it.
func New[T any](name string, opts ...Option) Job[T] {
	def := &definition{name: name, event: eventPrefix + name, defaults: newSettings(settings{}, opts)}
	errs := def.defaults.errs
	if strings.Contains(name, ".") {
		errs = append(errs, errors.New("a name has no dots"))
	} else if err := events.CheckName(name); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		def.err = fmt.Errorf("jobs: job %q: %w", name, errors.Join(errs...))
	}
	return Job[T]{def}
}

// Name returns the job's name. On the wire it is an event of the name "job." and this.
func (j Job[T]) Name() string {
	if j.def == nil {
		return ""
	}
	return j.def.name
}

// New returns the job with its arguments, ready for a [Dispatcher]. Options win over the job's defaults.
// The arguments are copied: the caller may change its own. They must be JSON unless the job never leaves
// this process.
func (j Job[T]) New(args T, opts ...Option) Task {
	if j.def == nil {
		return Task{}
	}
	t := Task{id: newID(), def: j.def, opts: opts}
	own, err := events.As[T](events.Any{Name: j.def.event, Data: args})
	t.args, t.err = own.Data, err
	return t
}

// Handler returns the job's handler. It belongs into the group "jobs" of an Fx app, see [AsHandler], or
// into [Dispatcher.Listeners]. An application has one handler for a job.
//
// The handler runs on the pool. nil means done; an error asks for another attempt, and
// [events.Permanent], [events.RetryAfter] and [events.Skip] say something else. Attempts are at least
// once: a handler must bear to run again for a job it has finished; [Current] tells the job's ID, which
// stays the same. Its ctx ends with the job's [Timeout], a lost lease, or the stop.
//
// Listener options apply as to a listener: events.Breaker, Concurrency, Validate, Use. While a breaker is
// open, jobs wait without spending attempts.
func (j Job[T]) Handler(handle func(ctx context.Context, args T) error, opts ...events.ListenerOption) Handler {
	if j.def == nil || handle == nil {
		return Handler{def: j.def}
	}
	def, topic := j.def, events.NewTopic[T](j.def.event)
	return Handler{def: def, listener: func(d *Dispatcher) events.Listener {
		perform := func(ctx context.Context, e events.Event[T]) error {
			return d.perform(ctx, func(ctx context.Context) error { return handle(ctx, e.Data) })
		}
		return topic.Listener(def.event, perform, append([]events.ListenerOption{events.Use(d.conduct(def))}, opts...)...)
	}}
}

// Handler is a job with the function that does it. [Job.Handler] makes one.
type Handler struct {
	def      *definition
	listener func(*Dispatcher) events.Listener // nil if the function is
}

// newID returns a UUIDv7, so that IDs sort by time. The random source failing is the only error there is;
// Go's runtime ends the program before that.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

package jobs

import (
	"errors"
	"fmt"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// Task is a job with its arguments, to be dispatched once. It keeps its ID: dispatching the same Task
// again queues the same job again, which a ledger or a FIFO queue then drops.
type Task struct {
	id   string
	def  *definition // nil in the zero Task
	args any
	opts []Option
	rest []Task // of a chain; those have no rest
	err  error
}

// ID returns the job's ID, which is also its event's. It stays the same in all attempts.
func (t Task) ID() string { return t.id }

// Name returns the job's name.
func (t Task) Name() string {
	if t.def == nil {
		return ""
	}
	return t.def.name
}

// Chain returns a task that runs the given ones one after the other: each is dispatched when the one before
// has finished. What is left of the chain travels with each job, so that any process can go on. The next
// job is queued before the finished one is acknowledged, under an ID that was fixed when its Task was made:
// a crash in between can queue it twice, never lose it.
//
// A job that fails for good ends the chain. Its record in the [FailedStore] holds the rest: retrying it goes
// on with the chain. Only the first may be unique, since dropping another would drop what follows it.
// Arguments of all but the first go through JSON.
func Chain(first Task, more ...Task) Task {
	chain := first
	chain.rest = append([]Task(nil), first.rest...)
	for _, t := range more {
		chain.rest = append(chain.rest, t.steps()...)
	}
	return chain
}

// steps are the tasks of a chain, each without its rest.
func (t Task) steps() []Task {
	rest := t.rest
	t.rest = nil
	return append([]Task{t}, rest...)
}

// own is what the task's options say, without the job's defaults; all is both.
func (t *Task) own() settings { return newSettings(settings{}, t.opts) }
func (t *Task) all() settings { return newSettings(t.def.defaults, t.opts) }

// check finds what is wrong with a task, its chain included. A dependent task, one that nobody awaits the
// dispatch of, cannot be unique.
func (t *Task) check(dependent bool) error {
	if t.def == nil {
		return errors.New("jobs: the zero Task is no job: make one with Job.New")
	}
	if t.def.err != nil {
		return t.def.err
	}
	errs := t.own().errs
	if t.err != nil {
		errs = append(errs, t.err)
	}
	if dependent && t.all().unique > 0 {
		errs = append(errs, errors.New("a later job of a chain, a job of a batch or its callback cannot be unique, since dropping it would lose what follows: add UniqueFor(0)"))
	}
	if len(errs) > 0 {
		return fmt.Errorf("jobs: job %q: %w", t.def.name, errors.Join(errs...))
	}
	for i := range t.rest {
		if err := t.rest[i].check(true); err != nil {
			return err
		}
	}
	return nil
}

// wrap makes the event of a task, whose rest becomes part of the envelope, as is due from now on.
func wrap(t Task, now time.Time) (events.Any, envelope, error) {
	rest, err := links(t.rest)
	if err != nil {
		return events.Any{}, envelope{}, err
	}
	all := t.all()
	env := envelope{carried: t.own().carried, Chain: rest}
	env.Queue, env.Group = all.Queue, all.Group // the publisher knows no defaults
	if all.delay > 0 {
		env.Due = now.Add(all.delay).UTC()
	}
	if all.unique > 0 {
		if env.Unique, err = lockKey(t, all.uniqueKey); err != nil {
			return events.Any{}, envelope{}, err
		}
		env.UntilStart = all.untilStart
	}
	return newEvent(t.id, t.def.event, t.args, now), env, nil
}

// source is the same for all jobs: with the ID it makes the identity that a ledger knows a job by, and IDs
// are unique in themselves.
const source = "jobs"

func newEvent(id, name string, data any, now time.Time) events.Any {
	return events.Any{ID: id, Name: name, Data: data, Source: source, Timestamp: now.UTC()}
}

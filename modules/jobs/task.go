package jobs

import (
	"errors"
	"fmt"
	"time"
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

// wrap makes a task, whose rest becomes part of the envelope, ready to be queued.
func wrap(t Task, now time.Time) (p parcel, err error) {
	all := t.all()
	p = newParcel(t.id, t.def.event, t.args, now, all.delay)
	p.carried = t.own().carried
	p.Queue, p.Group = all.Queue, all.Group // the publisher knows no defaults
	if p.Chain, err = links(t.rest); err != nil {
		return p, err
	}
	if all.unique > 0 {
		p.UntilStart = all.untilStart
		p.Unique, err = lockKey(t, all.uniqueKey)
	}
	return p, err
}

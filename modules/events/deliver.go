package events

import (
	"context"
	"fmt"
	"slices"
)

type attemptKey struct{}

// WithAttempt tells Deliver's listeners how often the transport has delivered this
// event, this time included.
func WithAttempt(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, attemptKey{}, n)
}

// Attempt returns which delivery of its event a listener works on: 1 the first
// time, or 0 if nobody counts, as in Dispatch. SQS counts how often it handed the
// message out, whether or not a listener was started.
func Attempt(ctx context.Context) int {
	n, _ := ctx.Value(attemptKey{}).(int)
	return n
}

// Deliver runs the listeners of an event that a transport received, those that
// have not finished it in an earlier delivery, waits for them, and says what
// became of each. It logs nothing but skips: the outcome is the caller's to act
// on and to report.
func (b *Bus) Deliver(ctx context.Context, e Any) Outcome {
	o := Outcome{EventID: e.ID, Event: e.Name}
	to, err := b.accept(ctx, &e)
	if err != nil {
		o.refused = err
		return o
	}
	if len(to.routes) == 0 {
		b.unheard(ctx, &e)
		o.NoListener = true
		return o
	}
	r := b.newRun(to)
	r.load(&e)
	finished, err := b.finished(ctx, r)
	if err != nil {
		r.release()
		o.refused = fmt.Errorf("asking the ledger about event %q: %w", clip(e.Name), err)
		return o
	}
	r.time()
	done := b.observe(ctx, r, to.known)
	o = r.outcome(&e)
	for _, name := range finished {
		o.Results = append(o.Results, ListenerResult{Listener: name, Status: StatusAlreadyDone})
	}
	if done {
		r.logSkips(&e)
		r.release()
	}
	return o
}

// observe runs the stages of a delivery, with span and duration if anyone looks.
func (b *Bus) observe(ctx context.Context, r *run, known bool) bool {
	if !b.tel.looks(ctx) {
		return r.stages(ctx)
	}
	ctx, watch := b.tel.processing(ctx, r, known)
	done := r.stages(ctx)
	watch.end(ctx)
	return done
}

// finished asks the ledger which listeners need not run again, and takes them
// out of the run.
func (b *Bus) finished(ctx context.Context, r *run) ([]string, error) {
	if b.ledger == nil {
		return nil, nil
	}
	r.delivery, r.watched = true, true
	if r.event.ID == "" {
		return nil, nil
	}
	r.names = r.names[:0]
	for _, rt := range r.routes {
		r.names = append(r.names, rt.name)
	}
	r.event.key = r.event.identity()
	finished, err := b.ledger.Finished(ctx, r.event.key, r.names)
	r.routes = unfinished(r.routes, finished)
	return finished, err
}

func unfinished(routes []*route, finished []string) []*route {
	if len(finished) == 0 {
		return routes
	}
	var left []*route
	for _, rt := range routes {
		if !slices.Contains(finished, rt.name) {
			left = append(left, rt)
		}
	}
	return left
}

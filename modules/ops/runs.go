package ops

import (
	"context"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// window is how far back the quantiles of listeners reach, in slots of a minute.
const window = 5

// runs watches the listeners of a bus, as its outermost middleware.
type runs struct {
	failures *failures

	mu     sync.Mutex
	byName map[string]*listenerRuns
}

// listenerRuns is one listener: what runs, and how it went.
type listenerRuns struct {
	name string

	mu                   sync.Mutex
	first                *run // of a list of those that run, the newest first
	spare                *run // of a list to be used again
	busy                 int
	done, failed         int64
	slots                [window]slot
	lastFailed           time.Time
	lastError, lastClass string
}

// slot is a minute of durations.
type slot struct {
	minute int64
	histogram
}

// run is a listener at work on an event. Its ctx is the one that it works with, kept for as long, to ask
// it for the message.
type run struct {
	prev, next *run
	ctx        context.Context //nolint:containedctx // see above
	event, id  string
	began      time.Time
}

func newRuns(cfg Config) *runs {
	return &runs{failures: newFailures(max(cfg.Failures, 0), cfg.ShowBodies), byName: map[string]*listenerRuns{}}
}

func (rs *runs) of(listener string) *listenerRuns {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	l := rs.byName[listener]
	if l == nil {
		l = &listenerRuns{name: listener}
		rs.byName[listener] = l
	}
	return l
}

func (rs *runs) all() []*listenerRuns {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	all := make([]*listenerRuns, 0, len(rs.byName))
	for _, l := range rs.byName {
		all = append(all, l)
	}
	return all
}

func (rs *runs) running() map[string]int {
	busy := map[string]int{}
	for _, l := range rs.all() {
		l.mu.Lock()
		busy[l.name] = l.busy
		l.mu.Unlock()
	}
	return busy
}

func (rs *runs) middleware() events.Middleware {
	return func(l events.Listener, next events.Handler) events.Handler {
		watched := rs.of(l.Name())
		return func(ctx context.Context, e events.Any) (err error) {
			r := watched.begin(ctx, &e)
			returned := false
			defer func() {
				class := events.ClassPanic // Goexit: panics are errors by now
				if returned {
					class = events.ClassOf(err)
				}
				took := watched.end(r, class, err)
				if class != events.ClassNone {
					rs.failures.add(ctx, l.Name(), &e, class, err, took)
				}
			}()
			err = next(ctx, e)
			returned = true
			return err
		}
	}
}

func (l *listenerRuns) begin(ctx context.Context, e *events.Any) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.spare
	if r == nil {
		r = new(run)
	} else {
		l.spare = r.next
	}
	*r = run{next: l.first, ctx: ctx, event: e.Name, id: e.ID, began: time.Now()}
	if r.next != nil {
		r.next.prev = r
	}
	l.first = r
	l.busy++
	return r
}

func (l *listenerRuns) end(r *run, class events.Class, err error) time.Duration {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	took := now.Sub(r.began)
	if r.prev == nil {
		l.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	*r = run{next: l.spare}
	l.spare = r
	l.busy--
	l.done++
	if class != events.ClassNone {
		l.failed++
		l.lastFailed, l.lastClass, l.lastError = now, string(class), ""
		if err != nil {
			l.lastError = clip(err.Error(), 200)
		}
	}
	minute := now.Unix() / 60
	s := &l.slots[minute%window]
	if s.minute != minute {
		*s = slot{minute: minute}
	}
	s.add(took)
	return took
}

// lately is the durations of the last minutes. It needs mu.
func (l *listenerRuns) lately(now time.Time) (h histogram) {
	minute := now.Unix() / 60
	for i := range l.slots {
		if minute-l.slots[i].minute < window {
			h.merge(&l.slots[i].histogram)
		}
	}
	return h
}

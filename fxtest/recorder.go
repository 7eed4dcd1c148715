package fxtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// patience bounds every wait; inside a testing/synctest bubble it is virtual.
const patience = 10 * time.Second

// await looks again and again until ok, and fails the test when patience is at its end.
func await(t testing.TB, ok func() bool, what func() string) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-timer.C:
			t.Fatalf("fxtest: waited %v for %s", patience, what())
		}
	}
}

// Record is one run of a listener.
type Record struct {
	Listener string
	Event    events.Any
	Err      error // what the listener answered
}

// Recorder remembers each run of each listener, in the order in which they ended. Its methods are safe
// for concurrent use.
type Recorder struct {
	t testing.TB

	mu      sync.Mutex
	records []Record
}

func newRecorder(t testing.TB) *Recorder {
	return &Recorder{t: t}
}

func (r *Recorder) middleware() events.Middleware {
	return func(l events.Listener, next events.Handler) events.Handler {
		name := l.Name()
		return func(ctx context.Context, e events.Any) error {
			err := next(ctx, e)
			r.add(Record{Listener: name, Event: e, Err: err})
			return err
		}
	}
}

func (r *Recorder) add(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
}

// All answers every run so far.
func (r *Recorder) All() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// Done answers the runs of a listener that ended without an error.
func (r *Recorder) Done(listener string) []Record {
	return r.filter(func(rec Record) bool { return rec.Listener == listener && rec.Err == nil })
}

// Failed answers the runs of a listener that ended with an error.
func (r *Recorder) Failed(listener string) []Record {
	return r.filter(func(rec Record) bool { return rec.Listener == listener && rec.Err != nil })
}

func (r *Recorder) filter(keep func(Record) bool) []Record {
	return slices.DeleteFunc(r.All(), func(rec Record) bool { return !keep(rec) })
}

// Wait blocks until the listener has handled n events without an error, and answers them. It fails the
// test, with a list of what ran instead, after ten seconds.
func (r *Recorder) Wait(listener string, n int) []Record {
	r.t.Helper()
	return r.wait(fmt.Sprintf("%d runs of listener %q without an error", n, listener), n,
		func() []Record { return r.Done(listener) })
}

// WaitFailed is Wait for runs that ended with an error.
func (r *Recorder) WaitFailed(listener string, n int) []Record {
	r.t.Helper()
	return r.wait(fmt.Sprintf("%d failed runs of listener %q", n, listener), n,
		func() []Record { return r.Failed(listener) })
}

func (r *Recorder) wait(what string, n int, have func() []Record) []Record {
	r.t.Helper()
	await(r.t, func() bool { return len(have()) >= n },
		func() string { return fmt.Sprintf("%s; recorded: %s", what, r.summary()) })
	return have()
}

func (r *Recorder) summary() string {
	all := r.All()
	if len(all) == 0 {
		return "nothing"
	}
	counts := map[string]int{}
	for _, rec := range all {
		line := rec.Listener + " done"
		if rec.Err != nil {
			line = rec.Listener + " failed: " + rec.Err.Error()
		}
		counts[line]++
	}
	lines := make([]string, 0, len(counts))
	for line, n := range counts {
		lines = append(lines, fmt.Sprintf("%d x %s", n, line))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

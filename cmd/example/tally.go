package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// tally counts what each listener does.
type tally struct {
	began time.Time

	mu        sync.Mutex
	listeners map[string]*listenerTally
	jobs      int             // queued by listeners
	latencies []time.Duration // from the event, if it is not older than the load, to the end of a listener
}

type listenerTally struct {
	done   map[string]bool // by event id: a second run of an event does not count twice
	runs   int
	failed int
}

func newTally() *tally { return &tally{began: time.Now(), listeners: map[string]*listenerTally{}} }

// watchListeners is middleware around every listener.
func watchListeners(t *tally) events.Middleware {
	return func(l events.Listener, next events.Handler) events.Handler {
		own := &listenerTally{done: map[string]bool{}}
		t.listeners[l.Name()] = own
		return func(ctx context.Context, e events.Any) error {
			err := next(ctx, e)
			t.mu.Lock()
			defer t.mu.Unlock()
			own.runs++
			if err != nil {
				own.failed++
				return err
			}
			own.done[e.ID] = true
			if e.Timestamp.After(t.began) {
				t.latencies = append(t.latencies, time.Since(e.Timestamp))
			}
			return nil
		}
	}
}

func (t *tally) queued() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jobs++
}

// percentile is the latency that a share of the runs stayed within.
func (t *tally) percentile(share float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.latencies) == 0 {
		return 0
	}
	slices.Sort(t.latencies)
	return t.latencies[int(share*float64(len(t.latencies)-1))]
}

// Package loop repeats what a store does in the background: relaying, sweeping.
package loop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Loop calls a function at intervals, sooner when kicked, and again at once while the function asks for that.
// It runs at most once at a time, and may be started again after a stop. Its methods may be called concurrently.
type Loop struct {
	every time.Duration
	do    func(ctx context.Context) (again bool)
	kicks chan struct{} // room for one: a kick during a call leads to one more call

	mu     sync.Mutex
	cancel context.CancelFunc
	ended  chan struct{}
}

// New makes a Loop that calls do at once after Start and then every so often, on average: each interval is
// between a half and one and a half of it, so that processes which started together part.
func New(every time.Duration, do func(ctx context.Context) (again bool)) *Loop {
	return &Loop{every: every, do: do, kicks: make(chan struct{}, 1)}
}

// Start begins the calls until Stop. It is idempotent.
func (l *Loop) Start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.ended = cancel, make(chan struct{})
	go l.run(ctx, l.ended)
}

func (l *Loop) run(ctx context.Context, ended chan<- struct{}) {
	defer close(ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.kicks:
		}
		for ctx.Err() == nil && l.do(ctx) {
		}
		timer.Reset(l.every/2 + rand.N(l.every))
	}
}

// Kick asks for a call soon. It never blocks.
func (l *Loop) Kick() {
	select {
	case l.kicks <- struct{}{}:
	default:
	}
}

// Stop cancels the call in hand and waits for it until ctx ends, whose cause it answers then; a later Stop
// waits on. It is idempotent, and right without Start.
func (l *Loop) Stop(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel == nil {
		return nil
	}
	l.cancel()
	select {
	case <-l.ended:
		l.cancel = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping: %w", context.Cause(ctx))
	}
}

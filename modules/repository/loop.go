package repository

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// loop calls do at intervals, sooner when kicked, and again at once while do asks for that. It runs at
// most once at a time, and may be started again after a stop.
type loop struct {
	every time.Duration
	do    func(ctx context.Context) (again bool)
	kicks chan struct{} // room for one: a kick during a call leads to one more call; nil takes none

	mu     sync.Mutex
	cancel context.CancelFunc
	ended  chan struct{}
}

func (l *loop) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.ended = cancel, make(chan struct{})
	go l.run(ctx, l.ended)
}

func (l *loop) run(ctx context.Context, ended chan<- struct{}) {
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

// kick asks for a call soon. It never blocks.
func (l *loop) kick() {
	select {
	case l.kicks <- struct{}{}:
	default:
	}
}

// stop cancels the call in hand and waits for it until ctx ends.
func (l *loop) stop(ctx context.Context) error {
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
		return fmt.Errorf("repository: stopping: %w", context.Cause(ctx))
	}
}

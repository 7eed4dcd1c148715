package events

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// DispatchAsync runs the event's listeners on the pool and returns at once, or
// when the pool has room. The work keeps ctx's values but not its cancellation,
// so that it outlives the request that caused it; Stop waits for it. The event
// is copied first: the caller may go on changing its data.
//
// The future resolves with the outcome and its Err. Failures are logged as
// well, since nobody has to look at a future. What runs when the process dies
// is lost; publish to a queue or an outbox where that matters.
func (b *Bus) DispatchAsync(ctx context.Context, e Any) *goroutine.Future[Outcome] {
	e.Data, e.Metadata = clone(e.Data), maps.Clone(e.Metadata)
	ctx = goroutine.WithName(context.WithoutCancel(withoutPasses(ctx)), "dispatch "+e.Name)
	ctx, landed, err := b.async.begin(ctx, e)
	if err != nil {
		return goroutine.Async(ctx, b.pool, func(context.Context) (Outcome, error) {
			return Outcome{EventID: e.ID, Event: e.Name, refused: err}, err
		})
	}
	future := goroutine.Async(ctx, b.pool, func(ctx context.Context) (Outcome, error) {
		defer landed()
		o := b.Deliver(ctx, e)
		if err := o.Err(); err != nil {
			b.log.Warn("asynchronous dispatch failed", zap.String("event", clip(e.Name)),
				zap.String("event_id", clip(e.ID)), zap.Error(err))
			return o, err
		}
		return o, nil
	})
	if _, _, resolved := future.Poll(); resolved {
		landed() // also if the pool refused it and the function never ran
	}
	return future
}

// Start announces the bus in the log. The bus works without it.
func (b *Bus) Start(context.Context) error {
	if len(b.routes) == 0 {
		b.log.Warn("event bus started without listeners: check their group tags", zap.Inline(b.cfg))
		return nil
	}
	b.log.Info("event bus started", zap.Inline(b.cfg), zap.Strings("listeners", b.names()))
	return nil
}

// Stop refuses new asynchronous dispatches and waits for those in flight, until
// ctx ends or ShutdownTimeout passes; then it cancels them and returns an
// *UnfinishedError. Dispatch and Deliver go on working, since their callers
// wait for them. Stop without Start, and a second Stop, do no harm.
func (b *Bus) Stop(ctx context.Context) error {
	if b.cfg.ShutdownTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.cfg.ShutdownTimeout)
		defer cancel()
	}
	return b.async.drain(ctx)
}

// UnfinishedError says which asynchronous dispatches a stop had to leave.
type UnfinishedError struct {
	// Dispatches are the oldest first.
	Dispatches []UnfinishedDispatch
}

// UnfinishedDispatch is one event whose listeners had not all returned.
type UnfinishedDispatch struct {
	Event   string
	EventID string
	Age     time.Duration
}

func (e *UnfinishedError) Error() string {
	const named = 10
	parts := make([]string, 0, named)
	for _, d := range e.Dispatches[:min(named, len(e.Dispatches))] {
		parts = append(parts, fmt.Sprintf("%s %s (%s)", clip(d.Event), clip(d.EventID), d.Age.Round(time.Millisecond)))
	}
	return fmt.Sprintf("events: stop left %d asynchronous dispatch(es): %s", len(e.Dispatches), strings.Join(parts, ", "))
}

// Unwrap lets errors.Is find ErrStopped.
func (e *UnfinishedError) Unwrap() error { return ErrStopped }

// flights are the asynchronous dispatches under way.
type flights struct {
	mu      sync.Mutex
	up      map[*flight]struct{}
	closing bool
	empty   chan struct{} // made by drain, closed by the last landing
}

type flight struct {
	event, id string
	began     time.Time
	cancel    context.CancelCauseFunc
}

// begin admits one flight. Call landed when it is over, more than once if need
// be. The returned context ends with it, or with a drain that lost patience.
func (f *flights) begin(parent context.Context, e Any) (ctx context.Context, landed func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return parent, nil, ErrStopped
	}
	ctx, cancel := context.WithCancelCause(parent)
	fl := &flight{event: e.Name, id: e.ID, began: time.Now(), cancel: cancel}
	if f.up == nil {
		f.up = make(map[*flight]struct{})
	}
	f.up[fl] = struct{}{}
	return ctx, func() { f.land(fl) }, nil
}

func (f *flights) land(fl *flight) {
	fl.cancel(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, up := f.up[fl]; !up {
		return
	}
	delete(f.up, fl)
	if len(f.up) == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

func (f *flights) drain(ctx context.Context) error {
	f.mu.Lock()
	f.closing = true
	if len(f.up) == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	return f.abandon()
}

// abandon cancels what is still up and reports it.
func (f *flights) abandon() error {
	f.mu.Lock()
	left := slices.Collect(maps.Keys(f.up))
	f.mu.Unlock()
	if len(left) == 0 {
		return nil
	}
	slices.SortFunc(left, func(a, b *flight) int { return a.began.Compare(b.began) })
	unfinished := new(UnfinishedError)
	for _, fl := range left {
		fl.cancel(ErrStopped)
		unfinished.Dispatches = append(unfinished.Dispatches,
			UnfinishedDispatch{Event: fl.event, EventID: fl.id, Age: time.Since(fl.began)})
	}
	return unfinished
}

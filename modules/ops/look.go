package ops

import (
	"context"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
)

const (
	// lookTimeout bounds one look at everything outside.
	lookTimeout = 5 * time.Second
	// lookWidth is how many queues are asked about at the same time.
	lookWidth = 8
)

// view is what was seen outside the process.
type view struct {
	at     time.Time // zero before the first look has ended
	depths map[string]depthSeen
	db     *dbSeen // nil without a database, like outbox
	outbox *outboxSeen
}

type depthSeen struct {
	sqs.Depth
	err error
}

type dbSeen struct {
	took time.Duration
	err  error
}

type outboxSeen struct {
	repository.OutboxStats
	err error
}

// look asks SQS and the database, for whoever wants to know, at most once per LookInterval and never
// twice at the same time. Nobody waits for it longer than he likes.
type look struct {
	s *Server

	mu      sync.Mutex
	seen    view
	began   time.Time     // of the latest look
	pending chan struct{} // closed when the look in flight has ended, nil if there is none
}

// at answers the latest view. If it is too old it is renewed, and waited for until ctx ends.
func (l *look) at(ctx context.Context) view {
	if pending := l.renew(); pending != nil {
		select {
		case <-pending:
		case <-ctx.Done():
		}
	}
	return l.latest()
}

func (l *look) latest() view {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// expire lets the next one who asks look again at once.
func (l *look) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began = time.Time{}
}

// renew starts a look if one is due, and answers the one in flight.
func (l *look) renew() <-chan struct{} {
	every := l.s.cfg.LookInterval
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending != nil || every < 0 || !l.began.IsZero() && time.Since(l.began) < every {
		return l.pending
	}
	pending := make(chan struct{})
	if !l.s.crew.do(func() { l.take(pending) }) {
		return nil
	}
	l.pending, l.began = pending, time.Now()
	return pending
}

func (l *look) take(pending chan struct{}) {
	ctx, cancel := context.WithTimeout(l.s.base, lookTimeout)
	defer cancel()
	seen := l.around(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen, l.pending = seen, nil
	close(pending)
}

// around looks at everything at the same time.
func (l *look) around(ctx context.Context) view {
	src := l.s.src
	seen := view{depths: map[string]depthSeen{}}
	var all sync.WaitGroup
	if src.DB != nil {
		seen.db = &dbSeen{}
		all.Go(func() {
			began := time.Now()
			seen.db.err = src.DB.Ping(ctx)
			seen.db.took = time.Since(began)
		})
	}
	if src.Outbox != nil {
		seen.outbox = &outboxSeen{}
		all.Go(func() { seen.outbox.OutboxStats, seen.outbox.err = src.Outbox.Stats(ctx) })
	}
	if src.Consumer != nil {
		var mu sync.Mutex
		places := make(chan struct{}, lookWidth)
		for _, q := range src.Consumer.Stats().Queues {
			all.Go(func() {
				places <- struct{}{}
				depth, err := src.Consumer.Depth(ctx, q.Name)
				<-places
				mu.Lock()
				defer mu.Unlock()
				seen.depths[q.Name] = depthSeen{depth, err}
			})
		}
	}
	all.Wait()
	seen.at = time.Now()
	return seen
}

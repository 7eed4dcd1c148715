package sqs

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// turn is how long a slot serves one queue before others may have it.
const turn = 10 * time.Millisecond

// intake is one consumed queue at work: polls feed a backlog, runners on the pool's slots empty it.
type intake struct {
	c          *Consumer
	cfg        Queue
	name       string // registered name, used as label
	url        string
	deadLetter string // URL, "" when there is none
	fifo       bool
	visibility time.Duration

	deletes   *batcher[*message]
	changes   *batcher[*message]
	processed *processed
	stats     counters
	labels    *labels
	log       *zap.Logger

	mu        sync.Mutex
	backlog   backlog
	paused    bool
	stopping  bool          // nothing starts any more
	polls     int           // receives in flight
	target    int           // receives that may be in flight
	asked     int           // messages that the polls in flight may bring
	runners   int           // slots at work on this queue
	held      int           // received and not finished: waiting or running
	running   int           // messages whose listeners run
	unsettled int           // finished, and SQS has not confirmed its delete or visibility
	pace      time.Duration // smoothed time that one message takes
	throttled float64       // share of the latest receives that SQS throttled
	failures  int           // receives failed in a row
	probes    int           // of these, those of a lone poll in an outage
	lastPoll  time.Time     // when SQS last answered a receive
	moved     time.Time     // when a receive last began or ended
	resumed   time.Time     // when receives last began after a time without any

	mayReceive chan struct{} // capacity 1: wakes receiveLoop
	mayStart   chan struct{} // capacity 1: wakes startLoop
	settledAll chan struct{} // capacity 1: wakes flush

	work sync.WaitGroup // polls, runners and the two loops
}

func newIntake(c *Consumer, cfg Queue) *intake {
	name, _ := queueName(cfg.Name) // validated before
	q := &intake{
		c:         c,
		cfg:       cfg,
		name:      name,
		fifo:      strings.HasSuffix(name, ".fifo"),
		processed: newProcessed(),
		log:       c.log.With(zap.String("queue", name)),
		labels:    newLabels(name),
		target:    1,

		mayReceive: make(chan struct{}, 1),
		mayStart:   make(chan struct{}, 1),
		settledAll: make(chan struct{}, 1),
	}
	q.deletes = newBatcher(maxBatch, c.cfg.AckLinger, q.flushDeletes)
	q.changes = newBatcher(maxBatch, c.cfg.AckLinger, q.flushChanges)
	return q
}

// startLoop gives waiting messages the slots they need. Only the end of ctx ends it.
func (q *intake) startLoop(ctx context.Context) {
	// Running listeners outlive the loop: nothing but a lost lease or the end of the stop budget cancels them.
	origin := events.WithOrigin(context.Background(), events.Origin{System: system, Destination: q.name})
	for ctx.Err() == nil {
		q.mu.Lock()
		want := q.backlog.waiting()
		if q.cfg.Concurrency > 0 {
			want = min(want, q.cfg.Concurrency-q.runners)
		}
		q.mu.Unlock()
		if want <= 0 {
			await(ctx, q.mayStart)
			continue
		}
		slots, err := q.c.pool.Reserve(ctx, want)
		if err != nil {
			if ctx.Err() == nil {
				q.log.Warn("the pool gives no slots, received messages go back to the queue", zap.Error(err))
				<-ctx.Done()
			}
			return
		}
		q.run(origin, slots)
	}
}

func await(ctx context.Context, signal <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-signal:
	}
}

// run starts a runner on each reserved slot.
func (q *intake) run(ctx context.Context, slots *goroutine.Reservation) {
	defer slots.Release()
	for range slots.Len() {
		q.mu.Lock()
		if q.stopping {
			q.mu.Unlock()
			return
		}
		q.runners++
		q.mu.Unlock()
		q.work.Add(1)
		err := slots.Go(ctx, q.runner)
		if err != nil {
			q.runnerDone()
		}
	}
}

// runner handles waiting messages one after another until none is left or its turn is over.
func (q *intake) runner(ctx context.Context) error {
	defer q.runnerDone()
	for began := time.Now(); ; {
		q.mu.Lock()
		m := q.backlog.pop()
		if m != nil {
			q.running++
		}
		q.mu.Unlock()
		if m == nil {
			return nil
		}
		q.handle(ctx, m)
		if time.Since(began) > turn {
			return nil
		}
	}
}

func (q *intake) runnerDone() {
	q.mu.Lock()
	q.runners--
	q.wakeReceive()
	q.wakeStart()
	q.mu.Unlock()
	q.work.Done()
}

// accept takes the messages of one receive into the backlog, or gives them back when nothing starts
// any more. It says whether the backlog was empty, so that listeners had nothing to do.
func (q *intake) accept(messages []*message) (starved bool) {
	q.mu.Lock()
	if q.stopping {
		q.mu.Unlock()
		q.release(messages)
		return false
	}
	starved = q.backlog.waiting() == 0
	q.held += len(messages)
	if q.fifo && len(messages) > 0 {
		r := &receipt{acks: newBatcher(maxBatch, q.c.cfg.AckLinger, q.flushDeletes), unsettled: len(messages)}
		for _, m := range messages {
			m.receipt = r
		}
	}
	for _, m := range messages {
		q.backlog.push(m)
	}
	q.wakeStart()
	q.mu.Unlock()
	return starved
}

package sqs

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

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
	origin     context.Context // of listeners. They outlive the loop: only a lost lease or the end of the stop budget cancels them

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
	latency   time.Duration // smoothed time that a receive takes
	throttled float64       // share of the latest receives that SQS throttled
	failures  int           // receives failed in a row
	probes    int           // of these, those of a lone poll in an outage
	lastPoll  time.Time     // when SQS last answered a receive
	moved     time.Time     // when a receive last began or ended
	resumed   time.Time     // when receives last began after a time without any

	needsSlot bool          // nothing can be polled for before the pool has a free slot
	mayPoll   bool          // it has one
	more      bool          // the last receive brought some: SQS sends fewer than it has
	askedAt   time.Duration // when the last receive was sent
	away      bool          // no slots were wanted when the shares last looked
	fair      float64       // slots that are ours by weight, 0 while no other queue wants any
	worked    time.Duration // what workers have worked for us until workedAt
	workedAt  time.Duration

	mayReceive chan struct{} // capacity 1: wakes receiveLoop
	settledAll chan struct{} // capacity 1: wakes flush

	work sync.WaitGroup // polls, runners and receiveLoop
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
		settledAll: make(chan struct{}, 1),
	}
	q.deletes = newBatcher(maxBatch, c.cfg.AckLinger, q.flushDeletes)
	q.changes = newBatcher(maxBatch, c.cfg.AckLinger, q.flushChanges)
	return q
}

// start starts a runner on one of the slots, unless nothing starts any more.
func (q *intake) start(slots *goroutine.Reservation) {
	q.mu.Lock()
	if q.stopping {
		q.mu.Unlock()
		return
	}
	q.occupy(1, q.c.now())
	q.work.Add(1)
	q.mu.Unlock()
	if err := slots.Go(q.origin, q.runner); err != nil {
		q.runnerDone()
	}
}

// runner handles waiting messages one after another until none is left or its turn is over.
func (q *intake) runner(ctx context.Context) error {
	defer q.runnerDone()
	for began := q.c.now(); ; {
		q.mu.Lock()
		m := q.backlog.pop()
		if m != nil {
			q.running++
		}
		if q.fair > 0 {
			q.wakeReceive() // for another one in its place
		}
		q.mu.Unlock()
		if m == nil {
			return nil
		}
		q.handle(ctx, m)
		if q.c.now()-began > turn {
			return nil
		}
	}
}

func (q *intake) runnerDone() {
	q.mu.Lock()
	q.occupy(-1, q.c.now())
	q.wakeReceive()
	q.wakeStart()
	q.mu.Unlock()
	q.work.Done()
}

// accept takes what a receive brought into the backlog, or gives it back when nothing starts any more. It
// says whether the backlog was empty, so that listeners had nothing to do.
func (q *intake) accept(messages []*message) (starved bool) {
	q.mu.Lock()
	q.more = len(messages) > 0
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
	cameBack := q.away && len(messages) > 0
	q.wakeStart()
	q.mu.Unlock()
	if cameBack {
		q.c.shares.cameBack()
	}
	return starved
}

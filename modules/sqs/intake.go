package sqs

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/goroutine"
)

const (
	// horizon is how far ahead of the free slots the consumer receives: no more messages wait for a
	// slot than the pool starts in this time at the pace measured so far. It lets a receive fill up
	// (ten messages for one request) when listeners are quick, and asks for exactly the free slots
	// when they are slow.
	horizon = 100 * time.Millisecond

	// turn is how long a slot serves one queue before others may have it.
	turn = 10 * time.Millisecond

	// maxUnsettled pauses polling while SQS takes no deletes, far below the 120,000 messages that it
	// lets be in flight.
	maxUnsettled = 10_000

	// maxBlocked bounds the messages of a FIFO queue that wait behind others of their group.
	maxBlocked = 1_000
)

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
	changes   *batcher[change]
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
	failures  int           // receives failed in a row
	lastPoll  time.Time     // when SQS last answered a receive
	changed   chan struct{} // closed and replaced when any of the above changes for the better

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
		labels:    c.tel.of(name),
		target:    1,
		changed:   make(chan struct{}),
	}
	q.deletes = newBatcher(maxBatch, c.cfg.AckLinger, q.flushDeletes)
	q.changes = newBatcher(maxBatch, c.cfg.AckLinger, q.flushChanges)
	return q
}

// notify needs mu.
func (q *intake) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// room is how many messages may be received now. It needs mu.
func (q *intake) room() int {
	slots := q.runners + q.c.pool.Free()
	if q.cfg.Concurrency > 0 {
		slots = min(slots, q.cfg.Concurrency)
	}
	ahead := 0
	if q.pace > 0 {
		ahead = int(int64(slots) * int64(horizon) / int64(q.pace))
	}
	if q.backlog.blocked >= maxBlocked {
		return 0
	}
	return min(slots+ahead, maxUnsettled-q.unsettled) - (q.held - q.backlog.blocked) - q.asked
}

// receiveLoop keeps polls in flight while there is room for what they may bring. Only the end of ctx
// ends it.
func (q *intake) receiveLoop(ctx context.Context) {
	for ctx.Err() == nil {
		q.mu.Lock()
		changed := q.changed
		room := q.room()
		switch {
		case q.paused || q.polls >= q.target || (room <= 0 && (q.backlog.waiting() > 0 || q.asked > 0 || q.atCap())):
			q.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-changed:
			}
		case room <= 0:
			q.mu.Unlock()
			// Every slot is at work: the pool tells when one is free, and counts us as waiting.
			if slot, err := q.c.pool.Reserve(ctx, 1); err == nil {
				slot.Release()
			} else if ctx.Err() == nil {
				q.log.Warn("the pool gives no slots, the queue is not polled", zap.Error(err))
				<-ctx.Done()
			}
		default:
			n := min(room, maxBatch)
			q.polls++
			q.asked += n
			q.mu.Unlock()
			q.work.Go(func() { q.poll(ctx, n) })
		}
	}
}

// atCap needs mu.
func (q *intake) atCap() bool {
	return (q.cfg.Concurrency > 0 && q.runners >= q.cfg.Concurrency) ||
		q.unsettled >= maxUnsettled || q.backlog.blocked >= maxBlocked
}

// startLoop gives waiting messages the slots they need. Only the end of ctx ends it.
func (q *intake) startLoop(ctx context.Context) {
	for ctx.Err() == nil {
		q.mu.Lock()
		changed := q.changed
		want := q.backlog.waiting()
		if q.cfg.Concurrency > 0 {
			want = min(want, q.cfg.Concurrency-q.runners)
		}
		q.mu.Unlock()
		if want <= 0 {
			select {
			case <-ctx.Done():
			case <-changed:
			}
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
		q.run(ctx, slots)
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
		err := slots.Go(context.WithoutCancel(ctx), q.runner)
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
	q.notify()
	q.mu.Unlock()
	q.work.Done()
}

// accept takes the messages of one receive into the backlog, or gives them back when nothing starts
// any more.
func (q *intake) accept(messages []*message) {
	q.mu.Lock()
	if q.stopping {
		q.mu.Unlock()
		q.release(messages)
		return
	}
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
	q.notify()
	q.mu.Unlock()
}

// keepPace takes one message's time into the pace. It needs mu.
func (q *intake) keepPace(took time.Duration) {
	took = max(took, 1)
	if q.pace == 0 {
		q.pace = took
	}
	q.pace += (took - q.pace) / 8
}

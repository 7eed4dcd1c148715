package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type welcome struct {
	Email string `json:"email" validate:"required"`
}

var sendWelcome = jobs.New[welcome]("send-welcome")

var errDown = errors.New("mail is down")

// trail records what ran, in the order it ran.
type trail struct {
	mu   sync.Mutex
	seen []string
}

func (r *trail) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, fmt.Sprintf(format, args...))
}

func (r *trail) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *trail) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := r.all(); !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}

// rig is a dispatcher with all that it stands on. Its jobs go to a queue, unless local.
type rig struct {
	*jobs.Dispatcher
	t     *testing.T
	pool  *goroutine.Pool
	bus   *events.Bus
	queue *queue
	locks *countingLocks
}

// countingLocks counts who got a lock.
type countingLocks struct {
	jobs.Locks
	got atomic.Int64
}

func (l *countingLocks) Lock(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	mine, err := l.Locks.Lock(ctx, key, owner, ttl)
	if mine {
		l.got.Add(1)
	}
	return mine, err
}

// locked is how many locks were given away so far.
func (r *rig) locked() int64 { return r.locks.got.Load() }

type rigConfig struct {
	config    jobs.Config
	pool      goroutine.Config
	local     bool // the publisher is the bus
	queue     *queue
	handlers  []jobs.Handler
	listeners []events.Listener
	bus       []events.Option
	options   []jobs.DispatcherOption
}

// newRig starts everything but the queue's consumer, and stops it with the test.
func newRig(t *testing.T, cfg rigConfig) *rig {
	t.Helper()
	r := &rig{t: t, queue: cfg.queue, locks: &countingLocks{Locks: jobs.NewMemoryLocks()}}
	if r.queue == nil {
		r.queue = new(queue)
	}
	cfg.pool.DisableAutoscaler = true // it watches the processors, whose load a bubble cannot make virtual
	var err error
	r.pool, err = goroutine.NewPool(cfg.pool)
	must(t, err)
	must(t, r.pool.Start(t.Context()))
	t.Cleanup(func() { must(t, r.pool.Stop(context.Background())) })

	relay := events.NewRelay()
	if !cfg.local {
		must(t, relay.Bind(r.queue))
	}
	r.Dispatcher, err = jobs.NewDispatcher(cfg.config, r.pool, relay,
		append([]jobs.DispatcherOption{jobs.WithLocks(r.locks)}, cfg.options...)...)
	must(t, err)
	listeners, err := r.Listeners(cfg.handlers...)
	must(t, err)
	r.bus, err = events.NewBus(events.Config{}, r.pool, append(listeners, cfg.listeners...), append(cfg.bus, events.WithRelay(relay))...)
	must(t, err)
	r.Bind(r.bus)
	must(t, r.Start(t.Context()))
	t.Cleanup(func() { _ = r.Stop(context.Background()) }) // a test that expects something says so
	return r
}

// consume delivers what is in the queue until it is empty, one message after the other, and lets virtual
// time pass while all of it is delayed.
func (r *rig) consume() {
	r.t.Helper()
	for r.queue.deliver(r.t.Context(), r.bus) {
	}
}

// failed lists the failed jobs by name.
func (r *rig) failed() (all []jobs.FailedJob) {
	r.t.Helper()
	for job, err := range r.Failed(r.t.Context()) {
		must(r.t, err)
		all = append(all, job)
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expectError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v: want one with %q", err, part)
		}
	}
}

// queue is the least that SQS is: messages that are delayed, delivered, counted, retried and dead-lettered.
type queue struct {
	mu       sync.Mutex
	messages []*message
	dead     []events.Any
	sent     []events.Any // all that was published, instructions included
	refuse   func(events.Any) error

	redrive int  // maxReceiveCount, 0 for none
	hasty   bool // does not wait for messages to become visible
}

type message struct {
	body     []byte
	visible  time.Time
	receives int
}

func (q *queue) Publish(_ context.Context, all ...events.Any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range all {
		if q.refuse != nil {
			if err := q.refuse(e); err != nil {
				return err
			}
		}
		q.sent = append(q.sent, e)
		var delay time.Duration
		if text, ok := e.Metadata["publish.delay"]; ok {
			var err error
			if delay, err = time.ParseDuration(text); err != nil || delay > 15*time.Minute {
				return fmt.Errorf("delay %q: %w", text, err)
			}
			delay = (delay + time.Second - 1).Truncate(time.Second)
		}
		body, _, err := events.Encode(withoutInstructions(e))
		if err != nil {
			return err
		}
		q.messages = append(q.messages, &message{body: body, visible: time.Now().Add(delay)})
	}
	return nil
}

func withoutInstructions(e events.Any) events.Any {
	kept := map[string]string{}
	for k, v := range e.Metadata {
		if !strings.HasPrefix(k, "publish.") {
			kept[k] = v
		}
	}
	e.Metadata = kept
	return e
}

var decoder = func() *events.Decoder {
	d, err := events.NewDecoder(events.DecodeConfig{})
	if err != nil {
		panic(err)
	}
	return d
}()

// take waits for a message to be visible and receives it, or answers nil if there is none.
func (q *queue) take() (*message, []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) == 0 {
		return nil, nil
	}
	m := slices.MinFunc(q.messages, func(a, b *message) int { return a.visible.Compare(b.visible) })
	if wait := time.Until(m.visible); wait > 0 && !q.hasty {
		q.mu.Unlock()
		<-time.After(wait)
		q.mu.Lock()
	}
	m.receives++
	return m, m.body
}

func (q *queue) remove(m *message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(other *message) bool { return other == m })
}

// deliver receives one message and settles it. It answers false if there is none.
func (q *queue) deliver(ctx context.Context, bus *events.Bus) bool {
	m, body := q.take()
	if m == nil {
		return false
	}
	all, err := decoder.Decode(events.Message{Body: body, Source: "queue"})
	if err != nil {
		panic(err)
	}
	if q.redrive > 0 && m.receives > q.redrive {
		q.bury(m, all[0])
		return true
	}
	ctx = events.WithOrigin(ctx, events.Origin{System: "queue", MaxDeliveries: q.redrive})
	verdict := bus.Deliver(events.WithAttempt(ctx, m.receives), all[0]).Disposition()
	switch verdict.Action {
	case events.Ack:
		q.remove(m)
	case events.DeadLetter:
		q.bury(m, all[0])
	case events.Retry:
		q.mu.Lock()
		m.visible = time.Now().Add(max(verdict.After, time.Second))
		q.mu.Unlock()
	}
	return true
}

func (q *queue) bury(m *message, e events.Any) {
	q.remove(m)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead = append(q.dead, e)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

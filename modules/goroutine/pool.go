package goroutine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/alitto/pond/v2"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// Pool runs tasks on a bounded number of workers. All its methods may be called concurrently, and
// from inside its own tasks, which cannot deadlock it, even with one worker (but see Reserve).
// Make it with NewPool; tasks that are submitted before Start wait for it.
type Pool struct {
	cfg       Config
	log       *zap.Logger
	meters    metric.MeterProvider
	telemetry telemetry
	clock     clock
	engine    pond.Pool // runs the workers; its limit follows ours

	// hard is cancelled when Stop runs out of patience. It is what tasks see as Done.
	hard       context.Context
	cancelHard context.CancelCauseFunc

	mu sync.Mutex

	// Who waits. Tasks of a join are served before the queue, three to one: whoever waits for them
	// already holds memory, a message or a request.
	blocked      queue[waiter] // submitters that wait for room in queued
	queued       fifo
	joined       queue[group]
	joinable     int // functions of joined groups that nobody has claimed
	reservers    queue[waiter]
	resumers     queue[waiter] // tasks that want their slot back
	joinRun      int           // joined functions served since a queued task was
	reserverTurn bool

	// Slots: busy + held <= limit, but for what a lowered limit leaves over.
	limit  int
	busy   int // a worker runs a task on it
	held   int // given to a Reservation, unused
	lent   int // its task waits inside the pool and will want it back
	waking int // workers on their way to the queue

	workers   int
	idle      []*worker // the longest idle first
	engineCap int

	execs queue[exec] // all that may run a task
	books books

	phase    phase
	control  control
	drained  chan struct{} // closed when a stopping pool has no task left
	gone     chan struct{} // closed when it has no worker left either
	stopDone chan struct{} // closed when Stop is over
	stopErr  error
	left     []AbandonedTask

	scaleUps, scaleDowns uint64
	lastScale            ScaleDecision

	spare []*waiter
}

type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseDraining  // refuses new work, runs what it has
	phaseCancelled // starts nothing more
)

// NewPool returns a pool that accepts tasks and runs them from Start on. The error joins every bad value of cfg.
func NewPool(cfg Config, opts ...Option) (*Pool, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("checking pool config: %w", err)
	}
	p := &Pool{
		clock:    clock{base: time.Now()},
		cfg:      cfg,
		log:      zap.NewNop(),
		control:  newControl(),
		drained:  make(chan struct{}),
		gone:     make(chan struct{}),
		stopDone: make(chan struct{}),
	}
	for _, opt := range opts {
		opt(p)
	}
	p.hard, p.cancelHard = context.WithCancelCause(context.Background())
	p.limit = cfg.bounds(p.control.procs()).start
	p.engine = pond.NewPool(p.limit)
	p.engineCap = p.limit
	if err := p.registerTelemetry(); err != nil {
		return nil, err
	}
	return p, nil
}

// Option gives NewPool a collaborator.
type Option func(*Pool)

// WithLogger sets where the pool logs: its config at start, tasks that fail with nobody to tell,
// stuck and abandoned tasks, scale decisions (debug). Default: nowhere.
func WithLogger(log *zap.Logger) Option {
	return func(p *Pool) {
		if log != nil {
			p.log = log
		}
	}
}

// Start lets the workers run and starts the control loop, which ends idle workers, watches for stuck
// tasks and moves the limit. It does not block; ctx only bounds the call itself. A second Start is a
// no-op. A pool starts once: after Stop the answer is ErrStopped.
func (p *Pool) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.phase {
	case phaseNew:
		p.phase = phaseRunning
		p.control.start(p) //nolint:contextcheck // the control loop outlives Start's context
		p.settle()
		p.log.Info("goroutine pool started", zap.Inline(p.cfg))
		return nil
	case phaseRunning:
		return nil
	default:
		return ErrStopped
	}
}

// setLimit needs mu. The engine's limit follows; it also has room for the goroutines of slots that
// were given away before the limit fell, and of tasks that have lent theirs.
func (p *Pool) setLimit(n int) {
	p.limit = n
	p.resizeEngine(max(n, p.busy+p.held) + p.lent)
	p.settle()
}

func (p *Pool) resizeEngine(n int) {
	if n = max(n, 1); n != p.engineCap {
		p.engineCap = n
		p.engine.Resize(n)
	}
}

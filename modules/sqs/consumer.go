package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// flushReserve is the part of the stop budget kept for the last deletes and visibility changes.
const flushReserve = time.Second

// Consumer receives from its queues and runs their messages through the bus. Its methods are safe for
// concurrent use.
type Consumer struct {
	cfg     Config
	api     API
	pool    *goroutine.Pool
	bus     *events.Bus
	decoder *events.Decoder
	store   ObjectStore
	codec   *codec
	log     *zap.Logger
	tel     *telemetry
	leases  *leases
	intakes []*intake

	mu      sync.Mutex
	running bool

	// Contexts that outlive one another, from the first to end to the last.
	loops    context.Context // new polls and starts, ends when Stop begins
	polling  context.Context // polls in flight, ends when waiting for them costs too much
	settling context.Context // deletes and renewals, ends with Stop
	end      struct{ loops, polling, settling context.CancelFunc }
	keeper   sync.WaitGroup // the lease loop
	gauges   metric.Registration
	starter  sync.WaitGroup // the shares' loop

	shares   *shares
	mayStart chan struct{} // capacity 1: wakes the shares' loop
	born     time.Time
}

// now is the time since the consumer was made.
func (c *Consumer) now() time.Duration { return time.Since(c.born) }

// Option supplies a collaborator to [NewConsumer] or [NewPublisher].
type Option func(*options)

type options struct {
	log     *zap.Logger
	meters  metric.MeterProvider
	tracers trace.TracerProvider
	store   ObjectStore
	topics  Carrier
	buses   Carrier
}

// WithLogger sets the logger. Default: none.
func WithLogger(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithMeterProvider sets where metrics go. Default: nowhere.
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// WithTracerProvider sets where spans go. Default: nowhere.
func WithTracerProvider(p trace.TracerProvider) Option { return func(o *options) { o.tracers = p } }

func newOptions(opts []Option) options {
	o := options{log: zap.NewNop(), meters: metricnoop.NewMeterProvider()}
	for _, set := range opts {
		set(&o)
	}
	return o
}

// NewConsumer makes a consumer that does nothing until [Consumer.Start]. A Config that cannot work is
// an error that names every problem.
func NewConsumer(cfg Config, api API, pool *goroutine.Pool, bus *events.Bus, decoder *events.Decoder, opts ...Option) (*Consumer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if api == nil && len(cfg.Queues) > 0 {
		return nil, errors.New("sqs: NewConsumer: no SQS client: pass one from NewClient")
	}
	o := newOptions(opts)
	c := &Consumer{cfg: cfg, api: api, pool: pool, bus: bus, decoder: decoder, store: o.store, codec: newCodec(), log: o.log, leases: newLeases(), born: time.Now(), mayStart: make(chan struct{}, 1)}
	for _, q := range cfg.Queues {
		c.intakes = append(c.intakes, newIntake(c, q))
	}
	c.shares = newShares(c)
	var err error
	if c.tel, err = newTelemetry(o.meters, c.intakes); err != nil {
		return nil, fmt.Errorf("sqs: making instruments: %w", err)
	}
	return c, nil
}

// Start finds the queues, reads their settings and begins to poll. It returns when every queue was
// found, or with an error that names those that were not; nothing runs then. ctx bounds Start alone.
func (c *Consumer) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running || len(c.intakes) == 0 {
		return nil
	}
	errs := make([]error, len(c.intakes))
	var group sync.WaitGroup
	for i, q := range c.intakes {
		group.Go(func() { errs[i] = q.prepare(ctx) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := c.doctor(ctx); err != nil {
		return err
	}
	if err := c.observe(); err != nil {
		return err
	}

	own := context.Background() // ctx ends with the start
	c.settling, c.end.settling = context.WithCancel(own)
	c.leases.callOff(nil)
	c.polling, c.end.polling = context.WithCancel(own)
	c.loops, c.end.loops = context.WithCancel(own)
	c.keeper.Go(func() { c.leases.run(c.settling) })
	for _, q := range c.intakes {
		q.begin(c.loops)
	}
	c.starter.Go(func() { c.shares.loop(c.loops) })
	c.running = true
	return nil
}

// prepare resolves the queue and reads what its settings decide here.
func (q *intake) prepare(ctx context.Context) error {
	url, err := resolve(ctx, q.c.api, q.cfg.Name)
	if err != nil {
		return err
	}
	settings, err := attributesOf(ctx, q.c.api, url)
	if err != nil {
		return fmt.Errorf("sqs: reading the attributes of queue %q: %w%s", q.cfg.Name, err, hint(err))
	}
	visibility := q.cfg.Visibility
	if visibility == 0 {
		visibility = settings.seconds(types.QueueAttributeNameVisibilityTimeout)
	}
	if visibility <= 0 {
		return fmt.Errorf("sqs: queue %q has a visibility timeout of 0, so every message would be received again at once: set Queue.Visibility, or the queue's own", q.cfg.Name)
	}
	redrive, err := settings.redrive()
	if err != nil {
		return fmt.Errorf("sqs: reading the redrive policy of queue %q: %w", q.cfg.Name, err)
	}
	dead := cmp.Or(q.cfg.DeadLetter, redrive.Target)
	if dead != "" {
		if dead, err = resolve(ctx, q.c.api, dead); err != nil {
			return fmt.Errorf("dead-letter queue of %q: %w", q.cfg.Name, err)
		}
	}
	q.mu.Lock() // Stats and Depth read them at any time
	defer q.mu.Unlock()
	q.url, q.deadLetter, q.visibility = url, dead, visibility
	q.origin = events.WithOrigin(context.Background(), events.Origin{System: system, Destination: q.name, MaxDeliveries: redrive.MaxReceives})
	return nil
}

func (q *intake) begin(ctx context.Context) {
	q.mu.Lock()
	q.stopping, q.target, q.lastPoll, q.moved = false, 1, time.Now(), time.Now()
	q.mu.Unlock()
	q.work.Go(func() { q.receiveLoop(ctx) })
}

// Pause stops polling the queue, or every queue when no name is given; messages received already are
// handled. An unknown name is an error.
func (c *Consumer) Pause(queues ...string) error { return c.setPaused(true, queues) }

// Resume undoes Pause.
func (c *Consumer) Resume(queues ...string) error { return c.setPaused(false, queues) }

func (c *Consumer) setPaused(paused bool, names []string) error {
	chosen := c.intakes
	if len(names) > 0 {
		chosen = nil
		for _, name := range names {
			q := c.intake(name)
			if q == nil {
				return fmt.Errorf("sqs: queue %q is not consumed here", name)
			}
			chosen = append(chosen, q)
		}
	}
	for _, q := range chosen {
		q.mu.Lock()
		q.paused = paused
		q.needsSlot = false
		q.wakeReceive()
		q.mu.Unlock()
	}
	return nil
}

func (c *Consumer) intake(name string) *intake {
	for _, q := range c.intakes {
		if q.name == name || q.cfg.Name == name {
			return q
		}
	}
	return nil
}

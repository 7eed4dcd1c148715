package sqs_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// rig is a consumer of one queue with all that it stands on. Without sockets it runs in a synctest
// bubble too.
type rig struct {
	t        *testing.T
	srv      *sqslocal.Server
	client   *awssqs.Client
	pool     *goroutine.Pool
	bus      *events.Bus
	consumer *sqs.Consumer
	logs     *observer.ObservedLogs
	queue    string
}

type rigConfig struct {
	queue      sqs.Queue
	config     sqs.Config // Queues is set from queue
	attributes map[string]string
	maxReceive int // default 5
	pool       goroutine.Config
	listeners  []events.Listener
	api        func(sqs.API) sqs.API
	noDead     bool
	decode     events.DecodeConfig
	options    []sqs.Option
	bus        []events.Option
}

// newRig makes everything and starts nothing but the pool.
func newRig(t *testing.T, cfg rigConfig) *rig {
	t.Helper()
	r := &rig{t: t, queue: cfg.queue.Name}
	if r.queue == "" {
		r.queue = "work"
	}
	cfg.queue.Name = r.queue
	cfg.config.Queues = append([]sqs.Queue{cfg.queue}, cfg.config.Queues...)
	if cfg.config.Doctor == "" {
		cfg.config.Doctor = sqs.DoctorOff // its requests would count
	}

	var err error
	r.srv, err = sqslocal.New(sqslocal.Config{Seed: 1, DisableCooldowns: true})
	must(t, err)
	t.Cleanup(func() { must(t, r.srv.Close()) })
	r.client = r.srv.Client(sqs.ForPollers)

	attributes := map[string]string{}
	if !cfg.noDead {
		_, err = r.srv.CreateQueue(r.dead(), nil)
		must(t, err)
		attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:%s","maxReceiveCount":%d}`,
			r.dead(), max(cfg.maxReceive, 1)+4*btoi(cfg.maxReceive == 0))
	}
	maps.Copy(attributes, cfg.attributes)
	_, err = r.srv.CreateQueue(r.queue, attributes)
	must(t, err)

	core, logs := observer.New(zap.DebugLevel)
	r.logs = logs
	log := zap.New(core)
	cfg.pool.DisableAutoscaler = true // it watches the processors, whose load a bubble cannot make virtual
	r.pool, err = goroutine.NewPool(cfg.pool)
	must(t, err)
	must(t, r.pool.Start(t.Context()))
	t.Cleanup(func() {
		if err := r.pool.Stop(context.Background()); err != nil {
			t.Errorf("stopping the pool: %v", err)
		}
	})
	r.bus, err = events.NewBus(events.Config{}, r.pool, cfg.listeners, cfg.bus...)
	must(t, err)
	decoder, err := events.NewDecoder(cfg.decode)
	must(t, err)
	var api sqs.API = r.client
	if cfg.api != nil {
		api = cfg.api(api)
	}
	r.consumer, err = sqs.NewConsumer(cfg.config, api, r.pool, r.bus, decoder, append(cfg.options, sqs.WithLogger(log))...)
	must(t, err)
	return r
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// start starts the consumer and stops it with the test, failing it on anything left behind.
func (r *rig) start() *rig {
	r.t.Helper()
	must(r.t, r.consumer.Start(r.t.Context()))
	r.t.Cleanup(func() { must(r.t, r.stop()) })
	return r
}

func (r *rig) stop() error {
	r.srv.EndPolls()
	return r.consumer.Stop(context.Background())
}

func (r *rig) dead() string { return deadOf(r.queue) }

func deadOf(queue string) string {
	if base, ok := strings.CutSuffix(queue, ".fifo"); ok {
		return base + "-dead.fifo"
	}
	return queue + "-dead"
}

// send puts raw bodies into the queue, ten at a time.
func (r *rig) send(bodies ...string) {
	r.t.Helper()
	for len(bodies) > 0 {
		n := min(10, len(bodies))
		in := &awssqs.SendMessageBatchInput{QueueUrl: aws.String(r.url(r.queue))}
		for i, body := range bodies[:n] {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(body)})
		}
		out, err := r.client.SendMessageBatch(context.Background(), in)
		must(r.t, err)
		if len(out.Failed) > 0 {
			r.t.Fatalf("sending: %s", aws.ToString(out.Failed[0].Message))
		}
		bodies = bodies[n:]
	}
}

// sendEvents puts n events named work.done into the queue, with the payloads 0 to n-1.
func (r *rig) sendEvents(n int) {
	r.t.Helper()
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"event":"work.done","n":%d}`, i)
	}
	r.send(bodies...)
}

func (r *rig) url(queue string) string { return r.srv.URL() + "/000000000000/" + queue }

func (r *rig) state(queue string) sqslocal.QueueState {
	r.t.Helper()
	s, ok := r.srv.Queue(queue)
	if !ok {
		r.t.Fatalf("no queue %q", queue)
	}
	return s
}

// depth counts the messages of a queue in every state.
func (r *rig) depth(queue string) int {
	s := r.state(queue)
	return s.Visible + s.InFlight + s.Delayed
}

func (r *rig) stats() sqs.QueueStats { return r.consumer.Stats().Queues[0] }

// eventually waits until ok and fails the test after a minute.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	r.within(time.Minute, what, ok)
}

// within waits until ok, and fails the test after d, which inside a bubble is virtual.
func (r *rig) within(d time.Duration, what string, ok func() bool) {
	r.t.Helper()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			r.t.Fatalf("waited %v for: %s; stats: %+v; queue: %+v", d, what, r.stats(), r.state(r.queue))
		}
	}
}

// empty waits until the queue holds nothing any more.
func (r *rig) empty() {
	r.t.Helper()
	r.eventually("an empty queue", func() bool { return r.depth(r.queue) == 0 && r.stats().Unsettled == 0 })
}

// payload is what sendEvents sends.
type payload struct {
	N int `json:"n"`
}

// listen makes a listener for work.done.
func listen(handle func(ctx context.Context, n int) error) events.Listener {
	return events.On("work.done", "worker", func(ctx context.Context, e events.Event[payload]) error {
		return handle(ctx, e.Data.N)
	})
}

// count counts runs by payload.
type count struct {
	mu   sync.Mutex
	runs map[int]int
	all  []int
}

func (c *count) add(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[int]int{}
	}
	c.runs[n]++
	c.all = append(c.all, n)
	return c.runs[n]
}

func (c *count) of(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[n]
}

// len is how many different payloads ran.
func (c *count) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.runs)
}

func (c *count) order() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.all...)
}

// onceEach fails the test unless exactly 0 to n-1 ran, each once.
func (c *count) onceEach(t *testing.T, n int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runs) != n {
		t.Errorf("%d of %d messages ran", len(c.runs), n)
	}
	for i, runs := range c.runs {
		if runs != 1 {
			t.Errorf("message %d ran %d times", i, runs)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func goexit() { runtime.Goexit() }

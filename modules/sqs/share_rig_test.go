package sqs_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// load is a queue of a shareRig and the work in it.
type load struct {
	sqs.Queue
	keep      int                  // messages that wait in SQS at all times, once fed
	takes     func() time.Duration // how long a listener works on a message; called one at a time
	listeners int                  // default 1
	groups    int                  // of a FIFO queue

	mu      sync.Mutex
	sent    int
	started int
	done    int
	running int           // listeners
	worked  time.Duration // by listeners until at
	at      time.Time
	longest time.Duration // that one listener took
}

// used is the worker time that listeners have used, those that run included.
func (l *load) used() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(0)
}

// progress counts listeners that have started and are done.
func (l *load) progress() (started, done int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started, l.done
}

// count needs mu.
func (l *load) count(listeners int) time.Duration {
	now := time.Now()
	l.worked += time.Duration(l.running) * now.Sub(l.at)
	l.at = now
	l.running += listeners
	return l.worked
}

// work is a listener's.
func (l *load) work() error {
	l.mu.Lock()
	d := l.takes()
	l.count(1)
	l.started++
	l.longest = max(l.longest, d)
	l.mu.Unlock()
	wait(d)
	l.mu.Lock()
	l.count(-1)
	l.done++
	l.mu.Unlock()
	return nil
}

// always makes messages that take the same time.
func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// shareRig is a consumer of several queues on one pool, inside a bubble. Listeners do nothing but take
// time, so the worker time of each queue can be told exactly.
type shareRig struct {
	t        *testing.T
	srv      *sqslocal.Server
	client   *awssqs.Client
	pool     *goroutine.Pool
	consumer *sqs.Consumer
	workers  int
	loads    []*load
	feeding  sync.Mutex
}

func newShareRig(t *testing.T, workers int, latency time.Duration, loads ...*load) *shareRig {
	t.Helper()
	r := &shareRig{t: t, workers: workers, loads: loads}
	var err error
	r.srv, err = sqslocal.New(sqslocal.Config{Seed: 1, DisableCooldowns: true})
	must(t, err)
	r.client = r.srv.Client(sqs.ForPollers)
	r.pool, err = goroutine.NewPool(goroutine.Config{MaxWorkers: workers, DisableAutoscaler: true})
	must(t, err)
	must(t, r.pool.Start(t.Context()))
	cfg := sqs.Config{Doctor: sqs.DoctorOff}
	var listeners []events.Listener
	for _, l := range loads {
		_, err := r.srv.CreateQueue(l.Name, nil)
		must(t, err)
		l.Event = strings.TrimSuffix(l.Name, ".fifo")
		cfg.Queues = append(cfg.Queues, l.Queue)
		for i := range max(l.listeners, 1) {
			listeners = append(listeners, events.On(l.Event, fmt.Sprint(l.Event, "-", i), func(context.Context, events.Any) error { return l.work() }))
		}
	}
	bus, err := events.NewBus(events.Config{}, r.pool, listeners)
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	r.consumer, err = sqs.NewConsumer(cfg, r.client, r.pool, bus, decoder)
	must(t, err)
	var slow []sqslocal.Fault
	for _, action := range []string{"ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"} {
		slow = append(slow, sqslocal.Fault{Effect: sqslocal.Slow, Action: action, Latency: sqslocal.Latency{P50: latency}})
	}
	must(t, r.srv.SetFaults(slow...))
	return r
}

// start fills the queues, keeps them full, and starts the consumer. The function that it answers stops
// everything, and fails the test unless every message that was received was handled once or is back.
func (r *shareRig) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r.feed()
	var feeder sync.WaitGroup
	feeder.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.feed()
			}
		}
	})
	must(r.t, r.consumer.Start(r.t.Context()))
	return func() {
		cancel()
		feeder.Wait()
		r.srv.EndPolls()
		must(r.t, r.consumer.Stop(context.Background()))
		must(r.t, r.pool.Stop(context.Background()))
		for _, l := range r.loads {
			s := r.state(l)
			if s.InFlight != 0 || s.Visible+l.done/max(l.listeners, 1) != l.sent {
				r.t.Errorf("queue %s: %d messages sent, %d listeners done, %d visible and %d invisible", l.Name, l.sent, l.done, s.Visible, s.InFlight)
			}
		}
		must(r.t, r.srv.Close())
	}
}

func (r *shareRig) feed() {
	r.feeding.Lock()
	defer r.feeding.Unlock()
	for _, l := range r.loads {
		l.mu.Lock()
		keep := l.keep
		l.mu.Unlock()
		if missing := keep - r.state(l).Visible; missing > 0 {
			r.send(l, missing)
		}
	}
}

// fill sets how many messages are to wait in the queue from now on.
func (r *shareRig) fill(l *load, keep int) {
	l.mu.Lock()
	l.keep = keep
	l.mu.Unlock()
	r.feed()
}

// within waits until ok, and fails the test after d.
func (r *shareRig) within(what string, d time.Duration, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(d)
	for look := time.Millisecond; !ok(); wait(look) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v for: %s; stats: %+v", d, what, r.consumer.Stats())
		}
	}
}

func (r *shareRig) state(l *load) sqslocal.QueueState {
	s, ok := r.srv.Queue(l.Name)
	if !ok {
		r.t.Fatalf("no queue %q", l.Name)
	}
	return s
}

func (r *shareRig) send(l *load, n int) {
	for ; n > 0; n -= 10 {
		in := &awssqs.SendMessageBatchInput{QueueUrl: aws.String(r.srv.URL() + "/000000000000/" + l.Name)}
		for i := range min(n, 10) {
			e := types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String("{}")}
			if l.groups > 0 {
				e.MessageGroupId, e.MessageDeduplicationId = aws.String(fmt.Sprint(l.sent%l.groups)), aws.String(fmt.Sprint(l.sent))
			}
			in.Entries = append(in.Entries, e)
			l.sent++
		}
		_, err := r.client.SendMessageBatch(context.Background(), in)
		must(r.t, err)
	}
}

// window measures worker time.
type window struct {
	r      *shareRig
	began  time.Time
	before []time.Duration
}

func (r *shareRig) window() *window {
	w := &window{r: r, began: time.Now()}
	for _, l := range r.loads {
		w.before = append(w.before, l.used())
	}
	return w
}

// used is the worker time of each queue in the window so far, and of all.
func (w *window) used() (each []time.Duration, all time.Duration) {
	for i, l := range w.r.loads {
		used := l.used() - w.before[i]
		each = append(each, used)
		all += used
	}
	return each, all
}

// slack is what the shares may be off by: a message is never interrupted, so one of the longest kind for
// each slot may be on the wrong side when the window ends, and one when it begins.
func (w *window) slack() time.Duration {
	var longest time.Duration
	for _, l := range w.r.loads {
		l.mu.Lock()
		longest = max(longest, l.longest*time.Duration(max(l.listeners, 1)))
		l.mu.Unlock()
	}
	return time.Duration(w.r.workers+1) * longest
}

// divided fails the test unless the worker time in the window was divided by weight.
func (w *window) divided() {
	w.r.t.Helper()
	each, all := w.used()
	weights := 0
	for _, l := range w.r.loads {
		weights += max(l.Weight, 1)
	}
	for i, l := range w.r.loads {
		part := float64(max(l.Weight, 1)) / float64(weights)
		if off := each[i] - time.Duration(part*float64(all)); off.Abs() > w.slack() {
			w.r.t.Errorf("queue %s, weight %d of %d, had %.1f %% of %v worker time: %v off, at most %v may be", l.Name, l.Weight, weights, 100*float64(each[i])/float64(all), all, off, w.slack())
		}
	}
}

// busy fails the test unless the pool's workers were at work for that part of the window.
func (w *window) busy(part float64) {
	w.r.t.Helper()
	_, all := w.used()
	if got := float64(all) / float64(time.Since(w.began)) / float64(w.r.workers); got < part {
		w.r.t.Errorf("the workers were busy for %.1f %% of %v, want %.0f %%", 100*got, time.Since(w.began), 100*part)
	}
}

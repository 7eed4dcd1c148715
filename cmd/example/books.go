package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/sqs"
)

const (
	tick  = 200 * time.Millisecond
	stall = time.Minute // without any progress the books are closed as they are
)

// books hold what went in against what came out. They balance when each message that SQS accepted was
// handled by every listener or lies in the dead-letter queue, and the queue is empty.
type books struct {
	tally    *tally
	place    *place
	consumer *sqs.Consumer
	began    time.Time

	mu       sync.Mutex
	accepted int
	refused  map[string]int // by reason
	dead     string         // name of the dead-letter queue, "" if there is none
	deadAt   int            // its depth before the load
}

func newBooks(t *tally, p *place, c *sqs.Consumer) *books {
	return &books{tally: t, place: p, consumer: c, began: time.Now(), refused: map[string]int{}}
}

// open looks at the dead-letter queue before anything is sent.
func (b *books) open(ctx context.Context) error {
	dead, err := b.place.deadLetterQueue(ctx)
	if err != nil || dead == "" {
		return err
	}
	b.dead = dead
	b.deadAt, err = b.place.depth(ctx, dead)
	return err
}

func (b *books) accept(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accepted += n
}

func (b *books) refuse(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[reason]++
}

// page is how the books stand.
type page struct {
	accepted, jobs, handled, deadLettered, waiting int
	queue                                          sqs.QueueStats
}

func (p page) balanced() bool {
	return p.waiting == 0 && p.queue.Unsettled == 0 && p.accepted+p.jobs == p.handled+p.deadLettered
}

func (b *books) read(ctx context.Context) (page, error) {
	var p page
	var err error
	if p.waiting, err = b.place.depth(ctx, b.place.name); err != nil {
		return p, err
	}
	if b.dead != "" {
		depth, err := b.place.depth(ctx, b.dead)
		if err != nil {
			return p, err
		}
		p.deadLettered = depth - b.deadAt
	}
	p.queue = b.consumer.Stats().Queues[0]
	b.tally.mu.Lock()
	p.jobs = b.tally.jobs
	b.tally.mu.Unlock()
	p.handled = int(p.queue.Acked - p.queue.Duplicates - p.queue.DeadLettered)
	b.mu.Lock()
	defer b.mu.Unlock()
	p.accepted = b.accepted
	return p, nil
}

// progress prints a line now and then until the returned function is called.
func (b *books) progress(ctx context.Context, out io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if p, err := b.read(ctx); err == nil {
					p.print(out)
				}
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

func (p page) print(out io.Writer) {
	fmt.Fprintf(out, "  %6d sent  %6d handled  %4d retried  %4d dead-lettered\n",
		p.accepted, p.handled, p.queue.Retried, p.deadLettered)
}

// close waits until the books balance, or nothing moves any more, and prints them.
func (b *books) close(ctx context.Context, out io.Writer) (balanced bool, err error) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var last page
	moved := time.Now()
	for {
		p, err := b.read(ctx)
		if err != nil {
			return false, err
		}
		if p.handled != last.handled || p.deadLettered != last.deadLettered || p.queue.Retried != last.queue.Retried {
			moved = time.Now()
			p.print(out)
		}
		last = p
		if p.balanced() || time.Since(moved) > stall {
			break
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-ticker.C:
		}
	}
	return last.balanced(), b.print(ctx, out, last)
}

func (b *books) print(ctx context.Context, out io.Writer, p page) error {
	row := func(what string, n any) { fmt.Fprintf(out, "  %9v  %s\n", n, what) }
	fmt.Fprintln(out)
	row("messages sent", p.accepted)
	row("jobs queued by a listener", p.jobs)
	b.tally.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(b.tally.listeners)) {
		l := b.tally.listeners[name]
		if l.runs == 0 {
			continue // it stands by for jobs that nobody handles
		}
		row(fmt.Sprintf("handled by %s (%d runs, %d failed)", name, l.runs, l.failed), len(l.done))
	}
	b.tally.mu.Unlock()
	row("messages handled, by each of their listeners, or a job's handler", p.handled)
	row("deliveries retried", p.queue.Retried)
	row("dead-lettered", p.deadLettered)
	row("left in the queue", p.waiting)
	row("requests for each message handled (receive, delete, extend)", fmt.Sprintf("%.2f", p.queue.RequestsPerMessage()))
	row("from event to listener done, p50", b.tally.percentile(0.50).Round(100*time.Microsecond))
	row("from event to listener done, p99", b.tally.percentile(0.99).Round(100*time.Microsecond))
	row("in all", time.Since(b.began).Round(time.Millisecond))
	if err := b.printReasons(ctx, out); err != nil {
		return err
	}
	verdict := "The books balance: every message was handled or is in the dead-letter queue."
	if !p.balanced() {
		verdict = fmt.Sprintf("THE BOOKS DO NOT BALANCE: %d sent, %d jobs queued, %d handled, %d dead-lettered, %d left in the queue.",
			p.accepted, p.jobs, p.handled, p.deadLettered, p.waiting)
	}
	_, err := fmt.Fprintf(out, "\n%s\n", verdict)
	return err
}

// printReasons tells why bodies were refused or dead-lettered.
func (b *books) printReasons(ctx context.Context, out io.Writer) error {
	b.mu.Lock()
	refused := maps.Clone(b.refused)
	b.mu.Unlock()
	dead, err := b.place.reasons(ctx, b.dead)
	if err != nil {
		return err
	}
	for _, list := range []struct {
		title   string
		reasons map[string]int
	}{{"Refused by SQS, and so not sent:", refused}, {"Dead-lettered because:", dead}} {
		if len(list.reasons) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s\n", list.title)
		for _, reason := range slices.Sorted(maps.Keys(list.reasons)) {
			fmt.Fprintf(out, "  %6d  %s\n", list.reasons[reason], reason)
		}
	}
	return nil
}

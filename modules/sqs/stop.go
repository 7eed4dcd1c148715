package sqs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
)

// StopReport says how the consumer's messages stood when Stop ended.
type StopReport struct {
	Handled   int // listeners that were running and ended within the budget
	Released  int // received but not started, and given back to SQS at once
	Abandoned int // still running when the budget was spent; SQS delivers them again
	Unsettled int // done, but SQS did not confirm the delete or release in time
}

// AbandonedError is Stop's error when messages were left behind.
type AbandonedError struct{ Report StopReport }

// Error implements error.
func (e *AbandonedError) Error() string {
	var left []string
	if n := e.Report.Abandoned; n > 0 {
		left = append(left, fmt.Sprintf("%d messages whose listeners still ran", n))
	}
	if n := e.Report.Unsettled; n > 0 {
		left = append(left, fmt.Sprintf("%d messages whose delete or release was not confirmed", n))
	}
	return "sqs: stopped with " + strings.Join(left, " and ") + "; SQS delivers them again"
}

// Stop ends the consumer within ShutdownTimeout or ctx, whichever is shorter: no new poll is sent, the
// polls in flight end, messages that no listener has started go back to SQS at once, running listeners
// end, and the last deletes are sent. When time is up, running listeners see their context cancelled
// and get a short grace. The error, an [*AbandonedError], says what was left. Stop without Start, and
// a second Stop, do nothing.
func (c *Consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return nil
	}
	c.running = false
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ShutdownTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	budget := time.Until(deadline)
	reserve := min(flushReserve, budget/4)

	before := c.counts()
	c.end.loops()
	for _, q := range c.intakes {
		q.mu.Lock()
		q.stopping = true
		waiting := q.backlog.drain()
		q.held -= len(waiting)
		q.mu.Unlock()
		q.release(waiting)
	}

	idle := make(chan struct{})
	go func() {
		defer close(idle)
		c.starter.Wait()
		for _, q := range c.intakes {
			q.work.Wait()
		}
	}()
	if !within(idle, budget-reserve) {
		// Cutting a poll may strand what SQS is just sending, and a listener may be near its end, so
		// this comes last but for the flush.
		c.end.polling()
		c.leases.callOff(errStopping)
		within(idle, reserve/2)
	}
	for _, q := range c.intakes {
		q.flush(ctx)
	}

	c.end.polling()
	after := c.counts()
	report := StopReport{
		Handled:   int(after.finished - before.finished),
		Released:  int(after.released - before.released),
		Abandoned: after.running,
		Unsettled: after.unsettled,
	}
	c.end.settling()
	c.keeper.Wait()
	c.log.Info("consumer stopped",
		zap.Int("handled", report.Handled), zap.Int("released", report.Released),
		zap.Int("abandoned", report.Abandoned), zap.Int("unsettled", report.Unsettled))
	c.tel.stopped(report)
	if err := c.gauges.Unregister(); err != nil {
		c.log.Warn("metrics callback not unregistered", zap.Error(err))
	}
	if report.Abandoned > 0 || report.Unsettled > 0 {
		return &AbandonedError{Report: report}
	}
	return nil
}

// within says whether done closes before d has passed.
func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// flush sends what waits to be settled and returns when SQS has confirmed all of it, or with ctx.
func (q *intake) flush(ctx context.Context) {
	q.deletes.now()
	q.changes.now()
	for {
		q.mu.Lock()
		left := q.unsettled
		q.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-q.settledAll:
		case <-ctx.Done():
			return
		}
	}
}

type stopCounts struct {
	finished, released int64
	running, unsettled int
}

func (c *Consumer) counts() stopCounts {
	var n stopCounts
	for _, q := range c.intakes {
		n.finished += q.stats.acked() + q.stats.retried.Load()
		n.released += q.stats.released.Load()
		q.mu.Lock()
		n.running += q.running
		n.unsettled += q.unsettled
		q.mu.Unlock()
	}
	return n
}

package sqs

import (
	"strings"
	"sync/atomic"
	"time"
)

// Stats is how the consumer stands, queue by queue, in the order of the configuration.
type Stats struct {
	Queues []QueueStats
}

// QueueStats counts since the start of the process; the counters never go down. Figures are read one
// after another while work goes on, so sums may be off by what happened in between.
type QueueStats struct {
	Name       string
	DeadLetter string // name of the dead-letter queue, "" for none, or before Start
	Paused     bool

	Received     int64 // messages that SQS handed out, redeliveries included
	Acked        int64 // messages whose events were all handled, or dead-lettered here
	Deleted      int64 // of these, deletes that SQS has confirmed
	Retried      int64 // failed deliveries, to be handed out again
	DeadLettered int64 // messages sent to the dead-letter queue at once, as they can never succeed
	Released     int64 // messages given back without being started
	Duplicates   int64 // redeliveries of handled messages, deleted without running again
	Unhandled    int64 // events without a listener
	LeasesLost   int64
	SettleFailed int64 // deletes and releases that were given up

	Waiting   int           // messages received and not started
	Running   int           // messages whose listeners run
	Unsettled int           // messages done but not yet deleted or given back
	Polls     int           // receives in flight
	Pace      time.Duration // smoothed time that one message takes
	Worked    time.Duration // what the pool's workers have worked on messages so far; Weight divides it
	LastPoll  time.Time     // when SQS last answered a receive

	// Unanswered is how long receives have been going out without an answer that is no error; 0 while
	// none is due, as when the queue is paused or every slot is at work. An outage lets it grow.
	Unanswered time.Duration
	// Stuck is how long a receive has been due, or in flight, without one beginning or ending. Every one
	// ends, with an error if need be, within 65s, so more than 90s is a fault of this process.
	Stuck time.Duration

	Requests Requests
}

// Requests counts API requests by action. AWS bills each of them alike; the SDK's own attempts after
// an error are not counted.
type Requests struct {
	Receive          int64
	EmptyReceive     int64 // of Receive, those that brought nothing
	DeleteBatch      int64
	ChangeVisibility int64
	Send             int64
}

// Total is the sum over all actions.
func (r Requests) Total() int64 {
	return r.Receive + r.DeleteBatch + r.ChangeVisibility + r.Send
}

// RequestsPerMessage is what one acknowledged message costs in requests; 0 before the first. The
// least that SQS allows is 0.2: ten messages to a receive, ten to a delete.
func (s QueueStats) RequestsPerMessage() float64 {
	if s.Acked == 0 {
		return 0
	}
	return float64(s.Requests.Total()) / float64(s.Acked)
}

// AWS's price of a million requests in us-east-1, beyond the free million of each month
// (aws.amazon.com/sqs/pricing, November 2026). Each 64 KiB of a request count as one.
const (
	dollarsStandard = 0.40
	dollarsFIFO     = 0.50
)

// DollarsPerMillion is what a million messages cost at the requests measured so far, at AWS's price in
// us-east-1, for messages of up to 64 KiB; 0 before the first.
func (s QueueStats) DollarsPerMillion() float64 {
	price := dollarsStandard
	if strings.HasSuffix(s.Name, ".fifo") {
		price = dollarsFIFO
	}
	return s.RequestsPerMessage() * price
}

// counters are the running totals of one intake.
type counters struct {
	received, handled, deleted, retried, deadLettered, released atomic.Int64
	duplicates, unhandled, settleFailed                         atomic.Int64
	leasesRenewed, leasesLost                                   atomic.Int64
	emptyReceives                                               atomic.Int64

	requests [actions]atomic.Int64
}

// acked counts messages that are done with, one way or the other.
func (n *counters) acked() int64 {
	return n.handled.Load() + n.deadLettered.Load() + n.duplicates.Load()
}

func (n *counters) settled(f fate) {
	switch f {
	case handled:
		n.handled.Add(1)
	case buried:
		n.deadLettered.Add(1)
	case duplicate:
		n.duplicates.Add(1)
	}
}

// Stats reads the counters.
func (c *Consumer) Stats() Stats {
	s := Stats{Queues: make([]QueueStats, len(c.intakes))}
	for i, q := range c.intakes {
		s.Queues[i] = q.snapshot()
	}
	return s
}

func (q *intake) snapshot() QueueStats {
	n := &q.stats
	q.mu.Lock()
	defer q.mu.Unlock()
	dead, _ := queueName(q.deadLetter) // "" has none
	unanswered, stuck := q.overdue(time.Now())
	return QueueStats{
		Name: q.name, DeadLetter: dead, Paused: q.paused, Unanswered: unanswered, Stuck: stuck,
		Received: n.received.Load(), Acked: n.acked(), Deleted: n.deleted.Load(),
		Retried: n.retried.Load(), DeadLettered: n.deadLettered.Load(), Released: n.released.Load(),
		Duplicates: n.duplicates.Load(), Unhandled: n.unhandled.Load(),
		LeasesLost: n.leasesLost.Load(), SettleFailed: n.settleFailed.Load(),
		Waiting: q.held - q.running, Running: q.running, Unsettled: q.unsettled,
		Polls: q.polls, Pace: q.pace, Worked: q.workedUntil(q.c.now()), LastPoll: q.lastPoll,
		Requests: Requests{
			Receive: n.requests[receiveMessage].Load(), EmptyReceive: n.emptyReceives.Load(),
			DeleteBatch: n.requests[deleteBatch].Load(), ChangeVisibility: n.requests[changeVisibilityBatch].Load(),
			Send: n.requests[sendMessage].Load(),
		},
	}
}

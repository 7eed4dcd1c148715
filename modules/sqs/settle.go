package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// settleTries is how often a delete or a visibility change is sent before it is given up; the SDK's
// own attempts come on top. What is given up comes back when its visibility ends.
const settleTries = 5

// ack deletes a message that every listener is done with.
func (q *intake) ack(m *message) {
	q.processed.add(m.id, m.lease.handle)
	m.handled = true
	q.c.leases.end(&m.lease)
}

// retry makes a message visible again after d.
func (q *intake) retry(m *message, d time.Duration) {
	m.after = d
	q.c.leases.end(&m.lease)
}

// leaseEnded sends the settlement on its way.
func (m *message) leaseEnded(lost error) {
	q := m.queue
	switch {
	case !m.handled && lost != nil: // SQS has it back, maybe under another lease by now
		q.settled(1)
	case !m.handled:
		q.changes.add(m)
	case m.receipt == nil: // also without a lease: a delete may succeed
		q.deletes.add(m)
	default:
		m.receipt.acks.add(m)
	}
	q.receiptSettled(m)
}

// receiptSettled sends the deletes of a FIFO receive once its last message is settled.
func (q *intake) receiptSettled(m *message) {
	if m.receipt == nil {
		return
	}
	q.mu.Lock()
	m.receipt.unsettled--
	last := m.receipt.unsettled == 0
	q.mu.Unlock()
	if last {
		m.receipt.acks.now()
	}
}

// release gives unstarted messages back at once. They are not held any more.
func (q *intake) release(messages []*message) {
	if len(messages) == 0 {
		return
	}
	q.mu.Lock()
	q.unsettled += len(messages)
	q.mu.Unlock()
	q.stats.released.Add(int64(len(messages)))
	for _, m := range messages {
		q.retry(m, 0)
	}
}

func (q *intake) flushDeletes(batch []*message) {
	q.untilSettled(len(batch), func(ctx context.Context, left []int) []error {
		in := &awssqs.DeleteMessageBatchInput{QueueUrl: aws.String(q.url), Entries: make([]types.DeleteMessageBatchRequestEntry, len(left))}
		handles := make([]string, len(left))
		for i, at := range left {
			handles[i] = q.processed.handle(batch[at].id, batch[at].lease.handle)
			in.Entries[i] = types.DeleteMessageBatchRequestEntry{Id: &entryIDs[i], ReceiptHandle: &handles[i]}
		}
		q.request(deleteBatch)
		out, err := q.c.api.DeleteMessageBatch(ctx, in)
		if err != nil {
			return entryErrors(len(left), nil, err)
		}
		return entryErrors(len(left), out.Failed, nil)
	}, func(at int, err error) {
		m := batch[at]
		if err == nil {
			q.processed.forget(m.id)
			q.stats.deleted.Add(1)
			q.dropObject(q.c.settling, m)
			return
		}
		q.stats.settleFailed.Add(1)
		q.log.Warn("handled message not deleted, its redelivery will be", zap.String("message", m.id), zap.Error(err))
	})
}

func (q *intake) flushChanges(batch []*message) {
	q.untilSettled(len(batch), func(ctx context.Context, left []int) []error {
		changes := make([]visibilityChange, len(left))
		for i, at := range left {
			changes[i] = visibilityChange{handle: batch[at].lease.handle, after: batch[at].after}
		}
		return q.changeVisibility(ctx, changes)
	}, func(at int, err error) {
		if err != nil && !senderFault(err) { // a refused handle means that SQS has the message back already
			q.stats.settleFailed.Add(1)
			q.log.Warn("message not given back, it returns when its visibility ends", zap.String("message", batch[at].id), zap.Error(err))
		}
	})
}

// untilSettled sends n entries, and again those that failed and may still succeed, with back-off. It
// reports the end of each entry once.
func (q *intake) untilSettled(n int, send func(ctx context.Context, left []int) []error, ended func(at int, err error)) {
	left := make([]int, n)
	for i := range left {
		left[i] = i
	}
	for try := 1; ; try++ {
		errs := send(q.c.settling, left)
		again := left[:0]
		for i, at := range left {
			err := errs[i]
			if err != nil && !senderFault(err) && try < settleTries && q.c.settling.Err() == nil {
				again = append(again, at)
				continue
			}
			ended(at, err)
		}
		if left = again; len(left) == 0 {
			break
		}
		pause(q.c.settling, jittered(50*time.Millisecond, 2*time.Second, try))
	}
	q.settled(n)
}

func (q *intake) settled(n int) {
	q.mu.Lock()
	before := q.unsettled
	q.unsettled -= n
	if q.unsettled == 0 {
		wake(q.settledAll)
	}
	if before >= maxUnsettled {
		q.wakeReceive()
	}
	q.mu.Unlock()
}

// visibilityChange lets a message become visible after the given time from now.
type visibilityChange struct {
	handle string
	after  time.Duration
}

// changeVisibility makes one request for up to ten messages. The errors align with the changes.
func (q *intake) changeVisibility(ctx context.Context, changes []visibilityChange) []error {
	in := &awssqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: aws.String(q.url),
		Entries:  make([]types.ChangeMessageVisibilityBatchRequestEntry, len(changes)),
	}
	for i, c := range changes {
		in.Entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id:                &entryIDs[i],
			ReceiptHandle:     &changes[i].handle,
			VisibilityTimeout: int32(c.after / time.Second),
		}
	}
	q.request(changeVisibilityBatch)
	out, err := q.c.api.ChangeMessageVisibilityBatch(ctx, in)
	if err != nil {
		return entryErrors(len(changes), nil, err)
	}
	return entryErrors(len(changes), out.Failed, nil)
}

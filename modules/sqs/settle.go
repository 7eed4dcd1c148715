package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// settleTries is how often a delete or a visibility change is sent before it is given up, which takes
// several seconds. What is given up comes back when its visibility ends.
const settleTries = 12

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
	q.untilSettled(batch, q.deletes, q.deleteBatch, func(m *message, err error) {
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
	q.untilSettled(batch, q.changes, q.returnBatch, func(m *message, err error) {
		if err != nil && !senderFault(err) { // a refused handle means that SQS has the message back already
			q.stats.settleFailed.Add(1)
			q.log.Warn("message not given back, it returns when its visibility ends", zap.String("message", m.id), zap.Error(err))
		}
	})
}

// untilSettled sends a batch, and again the entries that failed and may still succeed. They wait a moment
// and then join a later batch: a request of their own for each would cost more than the failures do. It
// reports the end of each entry once.
func (q *intake) untilSettled(batch []*message, rejoin *batcher[*message], send func([]*message) []error, ended func(*message, error)) {
	for {
		errs := send(batch)
		again := batch[:0]
		for i, m := range batch {
			m.tries++
			if err := errs[i]; err == nil || senderFault(err) || m.tries == settleTries || q.c.settling.Err() != nil {
				ended(m, err)
				continue
			}
			again = append(again, m)
		}
		q.settled(len(batch) - len(again))
		if len(again) == 0 {
			return
		}
		pause(q.c.settling, jittered(50*time.Millisecond, 2*time.Second, again[0].tries))
		if q.rejoined(again, rejoin) {
			return
		}
		batch = again
	}
}

// rejoined lets messages wait for others to share their request. Those of a FIFO receive have no others,
// and in a stop nobody comes any more.
func (q *intake) rejoined(messages []*message, b *batcher[*message]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopping || messages[0].receipt != nil {
		return false
	}
	b.add(messages...)
	return true
}

// deleteBatch makes one request for up to ten messages. The errors align with them.
func (q *intake) deleteBatch(batch []*message) []error {
	in := &awssqs.DeleteMessageBatchInput{QueueUrl: aws.String(q.url), Entries: make([]types.DeleteMessageBatchRequestEntry, len(batch))}
	handles := q.processed.newest(batch)
	for i := range batch {
		in.Entries[i] = types.DeleteMessageBatchRequestEntry{Id: &entryIDs[i], ReceiptHandle: &handles[i]}
	}
	q.stats.requests[deleteBatch].Add(1)
	out, err := q.c.api.DeleteMessageBatch(q.c.settling, in, once)
	if err != nil {
		return entryErrors(len(batch), nil, err)
	}
	return entryErrors(len(batch), out.Failed, nil)
}

// returnBatch lets up to ten messages become visible when they should.
func (q *intake) returnBatch(batch []*message) []error {
	changes := make([]visibilityChange, len(batch))
	for i, m := range batch {
		changes[i] = visibilityChange{handle: m.lease.handle, after: m.after}
	}
	return q.changeVisibility(q.c.settling, changes)
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
	q.stats.requests[changeVisibilityBatch].Add(1)
	out, err := q.c.api.ChangeMessageVisibilityBatch(ctx, in, once)
	if err != nil {
		return entryErrors(len(changes), nil, err)
	}
	return entryErrors(len(changes), out.Failed, nil)
}

package sqslocal

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// outgoing is a checked message on its way into a queue.
type outgoing struct {
	body       string
	attributes []attribute
	trace      string
	sender     string
	groupID    string
	dedupID    string
	delay      *time.Duration // nil: the queue's
}

// sent is what the sender learns.
type sent struct {
	id      uuid
	number  uint64
	bodyMD5 [md5.Size]byte
}

// send enqueues o, or finds that a FIFO queue has it already.
func (q *queue) send(o outgoing) (sent, error) {
	bodyMD5 := md5.Sum([]byte(o.body))
	q.lock()
	defer q.unlock()
	if q.deleted {
		return sent{}, errQueueDoesNotExist()
	}
	if size := o.size(); size > q.settings.maxSize {
		return sent{}, errInvalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.settings.maxSize)
	}
	delay := q.settings.delay
	var key dedupKey
	if q.fifo {
		if err := q.checkFIFO(&o); err != nil {
			return sent{}, err
		}
		key.id = o.dedupID
		if q.settings.dedupPerGroup {
			key.group = o.groupID
		}
		if earlier, duplicate := q.dedup.find(key, q.now); duplicate {
			q.recordDuplicate(earlier.id)
			earlier.bodyMD5 = bodyMD5 // the SDKs compare it with the body that they have sent
			return earlier, nil
		}
	} else if o.dedupID != "" {
		return sent{}, errParameter(o.dedupID, "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
	}
	if o.delay != nil {
		delay = *o.delay
	}
	m := &message{
		id: q.newID(), body: o.body, bodyMD5: bodyMD5,
		attributes: o.attributes, trace: o.trace, sender: o.sender, dedupID: o.dedupID, sent: q.now,
	}
	if q.fifo {
		q.lastNumber++
		m.number = q.lastNumber
		q.dedup.remember(key, sent{id: m.id, number: m.number}, q.now)
	}
	q.add(m, o.groupID, delay)
	q.record(Sent, m, q.now)
	return sent{id: m.id, number: m.number, bodyMD5: bodyMD5}, nil
}

// checkFIFO holds o to what FIFO queues ask and fills in the content-based deduplication id.
func (q *queue) checkFIFO(o *outgoing) error {
	if o.groupID == "" {
		return errMissingParameter("MessageGroupId")
	}
	if o.delay != nil && *o.delay != 0 {
		return errParameter(int(*o.delay/time.Second), "DelaySeconds", "The request include parameter that is not valid for this queue type.")
	}
	o.delay = nil
	if o.dedupID != "" {
		return nil
	}
	if !q.settings.contentDedup {
		return errInvalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	sum := sha256.Sum256([]byte(o.body))
	o.dedupID = hex.EncodeToString(sum[:])
	return nil
}

// size is what counts against the limits: the body and the user's attributes, not AWSTraceHeader.
func (o *outgoing) size() int {
	n := len(o.body)
	for i := range o.attributes {
		n += o.attributes[i].size()
	}
	return n
}

// sequenceNumber writes n as AWS does: 20 digits that grow.
func sequenceNumber(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("188%017d", n)
}

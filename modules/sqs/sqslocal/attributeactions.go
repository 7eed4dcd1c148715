package sqslocal

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

type getAttributesRequest struct {
	QueueURL string   `sqs:"QueueUrl"`
	Names    []string `sqs:"AttributeNames,AttributeName"`
}

type getAttributesAnswer struct {
	Attributes map[string]string `sqs:"Attributes,Attribute"`
}

func getQueueAttributes(_ context.Context, c *call, in *getAttributesRequest) (*getAttributesAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	for _, name := range in.Names {
		if !readable[name] {
			return nil, errInvalidAttributeName(name)
		}
	}
	all := q.attributes()
	if slices.Contains(in.Names, attrAll) {
		return &getAttributesAnswer{all}, nil
	}
	out := map[string]string{}
	for _, name := range in.Names {
		if value, set := all[name]; set {
			out[name] = value
		}
	}
	return &getAttributesAnswer{out}, nil
}

// readable are the names that GetQueueAttributes knows.
var readable = map[string]bool{
	attrAll: true, attrVisibility: true, attrDelay: true, attrRetention: true, attrWait: true, attrMaxSize: true, attrFIFO: true,
	attrContentDedup: true, attrDedupScope: true, attrThroughput: true, attrRedrive: true, attrRedriveAllow: true,
	attrPolicy: true, attrKmsKey: true, attrKmsReuse: true, attrManagedEncryption: true,
	attrARN: true, attrCreated: true, attrModified: true, attrVisible: true, attrNotVisible: true, attrDelayed: true,
}

// attributes returns all that GetQueueAttributes tells.
func (q *queue) attributes() map[string]string {
	q.lock()
	defer q.unlock()
	out := maps.Clone(q.settings.given)
	out[attrARN] = q.arn
	out[attrCreated] = q.epoch(q.created)
	out[attrModified] = q.epoch(q.modified)
	out[attrVisible] = strconv.Itoa(len(q.messages) - q.delayed - q.inFlight)
	out[attrNotVisible] = strconv.Itoa(q.inFlight)
	out[attrDelayed] = strconv.Itoa(q.delayed)
	return out
}

func (q *queue) epoch(at time.Duration) string {
	return strconv.FormatInt(q.server.start.Add(at).Unix(), 10)
}

type setAttributesRequest struct {
	QueueURL   string            `sqs:"QueueUrl"`
	Attributes map[string]string `sqs:"Attributes,Attribute"`
}

func setQueueAttributes(_ context.Context, c *call, in *setAttributesRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, errMissingParameter("Attribute.Name")
	}
	if _, named := in.Attributes[attrFIFO]; named && q.fifo {
		return nil, errInvalidAttributeValue(attrFIFO)
	}
	if text := in.Attributes[attrRedrive]; text != "" {
		policy, err := parseRedrivePolicy(text)
		if err != nil {
			return nil, err
		}
		if err := c.server.checkRedriveTarget(q.name, q.fifo, policy); err != nil {
			return nil, err
		}
	}
	return &empty{}, q.set(in.Attributes)
}

// set changes attributes. Retention applies to messages that wait already, and so does the delay on a FIFO queue; on a
// standard queue a new delay is for new messages only (dg:sqs-delay-queues).
func (q *queue) set(changes map[string]string) error {
	q.lock()
	defer q.unlock()
	if q.deleted {
		return errQueueDoesNotExist()
	}
	next, err := q.settings.with(q.fifo, changes)
	if err != nil {
		return err
	}
	later := next.delay - q.settings.delay
	aged := next.retention != q.settings.retention || q.fifo && later != 0
	q.settings, q.modified = next, q.now
	if !aged {
		return nil
	}
	for _, m := range q.messages {
		at := m.sent + next.retention
		if m.state != visible {
			if q.fifo && m.state == delayed {
				m.visibleAt += later
			}
			at = min(at, m.visibleAt)
		}
		q.deadlines.move(m, at)
	}
	q.advance()
	return nil
}

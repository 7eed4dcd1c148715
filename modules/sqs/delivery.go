package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

const (
	// publishTries is how often an entry is sent before its caller gets the error; the SDK's own
	// attempts come on top. Together they bridge a throttled second, not an outage: that is the
	// caller's to decide about.
	publishTries = 4

	minPublishPause = 50 * time.Millisecond
	maxPublishPause = time.Second

	// requestTimeout is when a request without an answer counts as lost: the SDK sets no such limit.
	requestTimeout = 15 * time.Second
)

// deliver sends one batch, and again what failed and may still succeed, until each entry has its answer.
func (o *outlet) deliver(batch []*entry) {
	left := batch
	for try := 1; ; try++ {
		results := o.request(left)
		if left = o.settle(left, results, try); len(left) == 0 {
			break
		}
		o.tel.retried.Add(int64(len(left)))
		timer := time.NewTimer(jittered(minPublishPause, maxPublishPause, try))
		select {
		case <-timer.C:
		case <-o.ctx.Done():
			timer.Stop()
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests--
	o.launch(false)
}

// settle answers the entries whose result is final and returns the others. The callers are woken before
// the next request is formed, so that what they publish next can be part of it.
func (o *outlet) settle(batch []*entry, results []Answer, try int) (again []*entry) {
	var ended []*entry
	for i, e := range batch {
		err := results[i].Err
		e.doubt = e.doubt || err != nil && !answered(err) // a no does not undo an earlier silence
		if err != nil && try < publishTries && o.ctx.Err() == nil && retryable(err) && !overtaken(batch, results, i) {
			again = append(again, e)
			continue
		}
		ended = append(ended, e)
		o.answer(e, results[i])
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range ended {
		o.line.done(e)
	}
	if len(again) > 0 {
		o.launch(false) // groups may go on
	}
	return again
}

// overtaken says that a later entry of the group is stored: sending this one now would change the order.
func overtaken(batch []*entry, results []Answer, i int) bool {
	if batch[i].order == "" {
		return false
	}
	for j := i + 1; j < len(batch); j++ {
		if batch[j].order == batch[i].order && results[j].Err == nil {
			return true
		}
	}
	return false
}

// request sends a batch once. When the service refuses it as a whole for what one entry holds, each
// entry is sent alone, so that the others do not share its fate.
func (o *outlet) request(batch []*entry) []Answer {
	messages := make([]*Outgoing, len(batch))
	for i, e := range batch {
		messages[i] = e.message
	}
	results := o.send(messages)
	if len(batch) == 1 || !refusedWhole(results) {
		return results
	}
	for i := range messages {
		results[i] = o.send(messages[i : i+1])[0]
	}
	return results
}

// send makes one request. A panic, of a hook in the SDK client for instance, is an error of this one.
func (o *outlet) send(messages []*Outgoing) (results []Answer) {
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			results = failAll(len(messages), fmt.Errorf("sending: panic: %v", p))
		}
		if len(results) != len(messages) {
			results = failAll(len(messages), ErrNoAnswer)
		}
		o.tel.request(results, time.Since(began))
	}()
	ctx, cancel := context.WithTimeout(o.ctx, requestTimeout)
	defer cancel()
	return o.to.Sender.Send(ctx, messages)
}

// answer tells the entry's caller how it ended.
func (o *outlet) answer(e *entry, r Answer) {
	o.freed(e)
	o.tel.answered(r.Err)
	endSpan(e.span, r.MessageID, r.Err)
	if r.Err == nil {
		e.answer(Sent{To: o.to.Name, EventID: e.message.Event.ID, MessageID: r.MessageID, SequenceNumber: r.SequenceNumber}, nil)
	} else {
		err := r.Err
		if o.ctx.Err() != nil && !errors.Is(err, ErrStopped) && !answered(err) {
			err = ErrStopped
		}
		if h := hint(err); h != "" {
			err = fmt.Errorf("%w%s", err, h)
		}
		e.answer(Sent{}, &PublishError{Event: e.message.Event, To: o.to.Name, Err: err, Uncertain: e.doubt})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
	o.closeIdle()
}

// transient is the SDK's own judgement on errors of requests.
var transient = retry.NewStandard()

// retryable says that the same entry may succeed later.
func retryable(err error) bool {
	if entry, ok := errors.AsType[*EntryError](err); ok {
		return !entry.SenderFault
	}
	var busy *types.KmsThrottled
	return errors.Is(err, ErrNoAnswer) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &busy) ||
		transient.IsErrorRetryable(err)
}

// refusedWhole says that one entry's fault may have failed the request.
func refusedWhole(results []Answer) bool {
	err := results[0].Err
	for _, r := range results {
		if r.Err != err { //nolint:errorlint // the very same error value: one for the whole request
			return false
		}
	}
	var api smithy.APIError
	return errors.As(err, &api) && !retryable(err) && !fatal(err)
}

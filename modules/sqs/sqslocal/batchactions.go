package sqslocal

import "context"

// failure is an entry of a batch that did not succeed.
type failure struct {
	Code        string `sqs:"Code"`
	ID          string `sqs:"Id"`
	Message     string `sqs:"Message"`
	SenderFault bool   `sqs:"SenderFault"`
}

func newFailure(id string, err error) failure {
	e := asAPIError(err)
	return failure{Code: e.query, ID: id, Message: e.message, SenderFault: !e.server}
}

const maxBatch = 10

// checkBatch finds what fails a batch as a whole.
func checkBatch(n int, id func(int) string) error {
	if n == 0 {
		return errBatch("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if n > maxBatch {
		return errBatch("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, n)
	}
	for i := range n {
		if !validName(id(i)) {
			return errBatch("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		for j := range i {
			if id(i) == id(j) {
				return errBatch("BatchEntryIdsNotDistinct", "Id %s repeated.", id(i))
			}
		}
	}
	return nil
}

type sendBatchRequest struct {
	QueueURL string      `sqs:"QueueUrl"`
	Entries  []sendEntry `sqs:"Entries,SendMessageBatchRequestEntry"`
}

type sendEntry struct {
	ID               string                           `sqs:"Id"`
	Body             string                           `sqs:"MessageBody"`
	DelaySeconds     *int                             `sqs:"DelaySeconds"`
	Attributes       map[string]messageAttributeValue `sqs:"MessageAttributes,MessageAttribute"`
	SystemAttributes map[string]messageAttributeValue `sqs:"MessageSystemAttributes,MessageSystemAttribute"`
	DedupID          string                           `sqs:"MessageDeduplicationId"`
	GroupID          string                           `sqs:"MessageGroupId"`
}

type sendBatchAnswer struct {
	Successful []sendResult `sqs:"Successful,SendMessageBatchResultEntry"`
	Failed     []failure    `sqs:"Failed,BatchResultErrorEntry"`
}

type sendResult struct {
	ID                  string `sqs:"Id"`
	AttributesMD5       string `sqs:"MD5OfMessageAttributes"`
	BodyMD5             string `sqs:"MD5OfMessageBody"`
	SystemAttributesMD5 string `sqs:"MD5OfMessageSystemAttributes"`
	MessageID           string `sqs:"MessageId"`
	SequenceNumber      string `sqs:"SequenceNumber"`
}

func sendMessageBatch(_ context.Context, c *call, in *sendBatchRequest) (*sendBatchAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), func(i int) string { return in.Entries[i].ID }); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += in.Entries[i].size()
	}
	if total > MaxMessageSize {
		return nil, errBatch("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", MaxMessageSize, total)
	}
	out := &sendBatchAnswer{}
	for i := range in.Entries {
		e := &in.Entries[i]
		one, err := sendResult{}, c.faults.failEntry()
		if err == nil {
			one, err = q.sendEntry(c, e)
		}
		if err != nil {
			out.Failed = append(out.Failed, newFailure(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, one)
	}
	return out, nil
}

func (q *queue) sendEntry(c *call, e *sendEntry) (sendResult, error) {
	o, systemMD5, err := parseMessage(c, &sendRequest{
		Body: e.Body, DelaySeconds: e.DelaySeconds, Attributes: e.Attributes, SystemAttributes: e.SystemAttributes,
		DedupID: e.DedupID, GroupID: e.GroupID,
	})
	if err != nil {
		return sendResult{}, err
	}
	s, err := q.send(o)
	if err != nil {
		return sendResult{}, err
	}
	a := newSendAnswer(o, s, systemMD5)
	return sendResult{
		ID: e.ID, AttributesMD5: a.AttributesMD5, BodyMD5: a.BodyMD5, SystemAttributesMD5: a.SystemAttributesMD5,
		MessageID: a.MessageID, SequenceNumber: a.SequenceNumber,
	}, nil
}

func (e *sendEntry) size() int {
	n := len(e.Body)
	for name, v := range e.Attributes {
		n += len(name) + len(v.DataType) + len(v.BinaryValue)
		if v.StringValue != nil {
			n += len(*v.StringValue)
		}
	}
	return n
}

type handleBatchRequest struct {
	QueueURL string        `sqs:"QueueUrl"`
	Entries  []handleEntry `sqs:"Entries,DeleteMessageBatchRequestEntry"`
}

type changeBatchRequest struct {
	QueueURL string        `sqs:"QueueUrl"`
	Entries  []handleEntry `sqs:"Entries,ChangeMessageVisibilityBatchRequestEntry"`
}

type handleEntry struct {
	ID            string `sqs:"Id"`
	ReceiptHandle string `sqs:"ReceiptHandle"`
	Visibility    *int   `sqs:"VisibilityTimeout"`
}

type deleteBatchAnswer struct {
	Successful []idResult `sqs:"Successful,DeleteMessageBatchResultEntry"`
	Failed     []failure  `sqs:"Failed,BatchResultErrorEntry"`
}

type changeBatchAnswer struct {
	Successful []idResult `sqs:"Successful,ChangeMessageVisibilityBatchResultEntry"`
	Failed     []failure  `sqs:"Failed,BatchResultErrorEntry"`
}

type idResult struct {
	ID string `sqs:"Id"`
}

func deleteMessageBatch(_ context.Context, c *call, in *handleBatchRequest) (*deleteBatchAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	ok, failed, err := eachHandle(c, in.Entries, func(e handleEntry) error {
		if e.ReceiptHandle == "" {
			return errMissingParameter("ReceiptHandle")
		}
		return q.delete(e.ReceiptHandle)
	})
	return &deleteBatchAnswer{ok, failed}, err
}

func changeMessageVisibilityBatch(_ context.Context, c *call, in *changeBatchRequest) (*changeBatchAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	ok, failed, err := eachHandle(c, in.Entries, func(e handleEntry) error { return q.change(e.ReceiptHandle, e.Visibility) })
	return &changeBatchAnswer{ok, failed}, err
}

func eachHandle(c *call, entries []handleEntry, do func(handleEntry) error) (ok []idResult, failed []failure, err error) {
	if err := checkBatch(len(entries), func(i int) string { return entries[i].ID }); err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		err := c.faults.failEntry()
		if err == nil {
			err = do(e)
		}
		if err != nil {
			failed = append(failed, newFailure(e.ID, err))
			continue
		}
		ok = append(ok, idResult{e.ID})
	}
	return ok, failed, nil
}

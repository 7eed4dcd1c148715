package sqslocal

import "context"

type handleRequest struct {
	QueueURL      string `sqs:"QueueUrl"`
	ReceiptHandle string `sqs:"ReceiptHandle"`
	Visibility    *int   `sqs:"VisibilityTimeout"`
}

func deleteMessage(_ context.Context, c *call, in *handleRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == "" {
		return nil, errMissingParameter("ReceiptHandle")
	}
	return &empty{}, q.delete(in.ReceiptHandle)
}

func changeMessageVisibility(_ context.Context, c *call, in *handleRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &empty{}, q.change(in.ReceiptHandle, in.Visibility)
}

func (q *queue) change(receiptHandle string, seconds *int) error {
	if receiptHandle == "" {
		return errMissingParameter("ReceiptHandle")
	}
	if seconds == nil {
		return errMissingParameter(attrVisibility)
	}
	timeout, err := parseVisibility(*seconds)
	if err != nil {
		return err
	}
	return q.changeVisibility(receiptHandle, timeout)
}

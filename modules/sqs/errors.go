package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// EntryError is why SQS refused one entry of a batch that it otherwise took.
type EntryError struct {
	Code        string // AWS's code, such as "ReceiptHandleIsInvalid"
	Message     string
	SenderFault bool // the entry itself is at fault: a retry would fail in the same way
}

// Error implements error.
func (e *EntryError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// entryErrors lays out the outcome of a batch whose entry ids are their positions.
func entryErrors(n int, failed []types.BatchResultErrorEntry, err error) []error {
	errs := make([]error, n)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	for _, f := range failed {
		if i := position(aws.ToString(f.Id)); i >= 0 && i < n {
			errs[i] = &EntryError{Code: aws.ToString(f.Code), Message: aws.ToString(f.Message), SenderFault: f.SenderFault}
		}
	}
	return errs
}

// entryIDs are positions: message ids collide when a redelivery travels with its first delivery. Requests
// point to them: read only.
var entryIDs = [maxBatch]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

func position(id string) int { return slices.Index(entryIDs[:], id) }

// senderFault says that no retry can help.
func senderFault(err error) bool {
	if entry, ok := errors.AsType[*EntryError](err); ok {
		return entry.SenderFault
	}
	var invalidHandle *types.ReceiptHandleIsInvalid
	var notInFlight *types.MessageNotInflight
	return errors.As(err, &invalidHandle) || errors.As(err, &notInFlight)
}

// fatal says that only a person can mend it: the queue is gone, or we may not use it. The consumer
// goes on trying, slowly, since both heal without a restart.
func fatal(err error) bool { return missing(err) || denied(err) }

// missing knows both of SQS's codes: the SDK types an error by the body, and names it by the header.
func missing(err error) bool {
	var gone *types.QueueDoesNotExist
	var api smithy.APIError
	return errors.As(err, &gone) ||
		errors.As(err, &api) && (api.ErrorCode() == "AWS.SimpleQueueService.NonExistentQueue" || api.ErrorCode() == "QueueDoesNotExist")
}

func denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{
		"AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "UnrecognizedClientException",
		"SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken", "InvalidSecurity",
	}, api.ErrorCode())
}

func throttled(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{"RequestThrottled", "ThrottlingException", "Throttling", "RequestLimitExceeded", "OverLimit"}, api.ErrorCode())
}

// hint ends an error's text with its mend, where one is known.
func hint(err error) string {
	switch {
	case missing(err):
		return " (create the queue, or check its name, the region and the account)"
	case denied(err):
		return " (check the credentials, and that the policy allows sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes, GetQueueUrl and SendMessage)"
	case errors.Is(err, context.DeadlineExceeded):
		return " (the endpoint did not answer: check AWS_ENDPOINT_URL_SQS, the region and the network)"
	}
	return ""
}

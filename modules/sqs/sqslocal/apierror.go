package sqslocal

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error of the SQS API with all its names: the shape that the JSON protocol sends as __type, the code of the
// Query protocol that older clients and the x-amzn-query-error header carry, and the HTTP status of the service model.
type apiError struct {
	shape   string
	query   string
	status  int
	server  bool // the fault is the service's, not the sender's
	message string
}

func (e *apiError) Error() string { return e.query + ": " + e.message }

// fault is Sender or Receiver, as the Query protocol calls the two sides.
func (e *apiError) fault() string {
	if e.server {
		return "Receiver"
	}
	return "Sender"
}

// asAPIError returns err as an apiError; anything else is a fault of this server and says so.
func asAPIError(err error) *apiError {
	if known, ok := errors.AsType[*apiError](err); ok {
		return known
	}
	return &apiError{
		shape: "com.amazonaws.sqs#InternalError", query: "InternalError", status: http.StatusInternalServerError,
		server: true, message: err.Error(),
	}
}

const (
	sqsNamespace   = "com.amazonaws.sqs#"
	coralNamespace = "com.amazon.coral.service#"
	legacyPrefix   = "AWS.SimpleQueueService."
)

func modelError(name, query string, status int, format string, args ...any) *apiError {
	return &apiError{shape: sqsNamespace + name, query: query, status: status, message: fmt.Sprintf(format, args...)}
}

func coralError(name, query, message string) *apiError {
	return &apiError{shape: coralNamespace + name, query: query, status: http.StatusBadRequest, message: message}
}

func errSerialization(message string) *apiError {
	return coralError("SerializationException", "MalformedInput", message)
}

func errUnknownAction(name string) *apiError {
	message := "The action or operation requested is invalid. Verify that the action is typed correctly."
	if name != "" {
		message = fmt.Sprintf("The action %s is not valid for this endpoint.", name)
	}
	return coralError("UnknownOperationException", "InvalidAction", message)
}

func errTooLarge(limit int64) *apiError {
	e := coralError("RequestEntityTooLargeException", "RequestEntityTooLarge", fmt.Sprintf("Request size exceeded limit %d bytes", limit))
	e.status = http.StatusRequestEntityTooLarge
	return e
}

func errInvalidParameter(format string, args ...any) *apiError {
	return coralError("InvalidParameterValueException", "InvalidParameterValue", fmt.Sprintf(format, args...))
}

func errParameter(value any, name, reason string) *apiError {
	return errInvalidParameter("Value %v for parameter %s is invalid. Reason: %s", value, name, reason)
}

func errMissingParameter(name string) *apiError {
	return coralError("MissingRequiredParameterException", "MissingParameter", fmt.Sprintf("The request must contain the parameter %s.", name))
}

func errQueueDoesNotExist() *apiError {
	return modelError("QueueDoesNotExist", legacyPrefix+"NonExistentQueue", http.StatusBadRequest, "The specified queue does not exist.")
}

func errQueueNameExists(attribute string) *apiError {
	return modelError("QueueNameExists", "QueueAlreadyExists", http.StatusBadRequest,
		"A queue already exists with the same name and a different value for attribute %s", attribute)
}

func errQueueDeletedRecently() *apiError {
	return modelError("QueueDeletedRecently", legacyPrefix+"QueueDeletedRecently", http.StatusBadRequest,
		"You must wait 60 seconds after deleting a queue before you can create another with the same name.")
}

func errPurgeInProgress(queue string) *apiError {
	return modelError("PurgeQueueInProgress", legacyPrefix+"PurgeQueueInProgress", http.StatusForbidden,
		"Only one PurgeQueue operation on %s is allowed every 60 seconds.", queue)
}

func errOverLimit(format string, args ...any) *apiError {
	return modelError("OverLimit", "OverLimit", http.StatusForbidden, format, args...)
}

func errInvalidAttributeName(name string) *apiError {
	return modelError("InvalidAttributeName", "InvalidAttributeName", http.StatusBadRequest, "Unknown Attribute %s.", name)
}

func errInvalidAttributeValue(name string) *apiError {
	return modelError("InvalidAttributeValue", "InvalidAttributeValue", http.StatusBadRequest, "Invalid value for the parameter %s.", name)
}

func errInvalidMessageContents() *apiError {
	return modelError("InvalidMessageContents", "InvalidMessageContents", http.StatusBadRequest,
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
}

func errReceiptHandle(handle string) *apiError {
	return modelError("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", http.StatusNotFound, "The input receipt handle %q is not a valid receipt handle.", handle)
}

func errMessageNotInflight(handle string) *apiError {
	return errParameter(handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
}

func errUnsupported(message string) *apiError {
	return modelError("UnsupportedOperation", legacyPrefix+"UnsupportedOperation", http.StatusBadRequest, "%s", message)
}

func errResourceNotFound(message string) *apiError {
	return modelError("ResourceNotFoundException", "ResourceNotFoundException", http.StatusNotFound, "%s", message)
}

func errBatch(name, format string, args ...any) *apiError {
	return modelError(name, legacyPrefix+name, http.StatusBadRequest, format, args...)
}

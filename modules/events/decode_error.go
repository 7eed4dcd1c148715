package events

// DecodeError says why a message is no event. It never contains the body.
type DecodeError struct {
	// Path names the envelopes that were opened, outermost first: "sns>eventbridge".
	Path string
	// Reason says what is wrong.
	Reason string
	// Err is the error behind the reason, if there was one.
	Err error
}

func decodeFailure(path, reason string, err error) error {
	return Permanent(&DecodeError{Path: path, Reason: reason, Err: err})
}

// Error reads "decoding message: sns>eventbridge: detail is missing".
func (e *DecodeError) Error() string {
	if e.Path == "" {
		return "decoding message: " + e.Reason
	}
	return "decoding message: " + e.Path + ": " + e.Reason
}

// Unwrap returns the error behind the reason.
func (e *DecodeError) Unwrap() error { return e.Err }

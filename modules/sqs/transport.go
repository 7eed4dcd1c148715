package sqs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// wholeBodies gives net/http the requests' bodies as readers that it knows to be in memory, which it
// writes together with the headers. For any other type, such as the SDK's, it writes the headers first:
// two system calls and two packets for each request. It can also repeat such a request by itself if the
// server closed the idle connection just then.
type wholeBodies struct{ next awssqs.HTTPClient }

// Do implements [awssqs.HTTPClient].
func (c wholeBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.ContentLength <= 0 {
		return c.next.Do(r)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("reading the body of the request: %w", err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body = io.NopCloser(bytes.NewReader(body))
	return c.next.Do(r)
}

package sqslocal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// ErrClosed is what Transport answers after Close.
var ErrClosed = errors.New("sqslocal: server closed")

// Transport returns a transport that hands requests to the server without sockets, whatever their host. A request runs in
// the goroutine that makes it, so that it works inside a testing/synctest bubble and takes virtual time.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.server.closed() {
		return nil, ErrClosed
	}
	inner := r.Clone(r.Context())
	if inner.Host == "" {
		inner.Host = r.URL.Host
	}
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	answer := t.server.answer(r.Context(), inner, nil)
	if answer.reset {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, &net.OpError{Op: "read", Net: "sqslocal", Err: syscall.ECONNRESET}
	}
	header := http.Header{}
	answer.fill(header)
	return &http.Response{
		Status: http.StatusText(answer.status), StatusCode: answer.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(answer.body)), ContentLength: int64(len(answer.body)), Request: r,
	}, nil
}

// Client returns an SDK client of this server with made-up credentials: over HTTP for a Server from Start, without sockets
// for one from New. Calls to it are not retried, so that a fault is seen once; options may say otherwise.
func (s *Server) Client(options ...func(*awssqs.Options)) *awssqs.Client {
	o := awssqs.Options{
		Region:       s.cfg.Region,
		BaseEndpoint: aws.String(s.URL()),
		Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "sqslocal", SecretAccessKey: "sqslocal"}, ctx.Err()
		}),
		Retryer: aws.NopRetryer{},
	}
	if s.http == nil {
		o.HTTPClient = &http.Client{Transport: s.Transport()}
	}
	return awssqs.New(o, options...)
}

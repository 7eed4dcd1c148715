package sqslocal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// discardLog keeps net/http's complaints about broken connections out of the user's output.
var discardLog = log.New(io.Discard, "", 0)

// maxRequest bounds a request. A batch of 1 MiB may take six times that as escaped JSON, plus handles and names.
const maxRequest = 8 << 20

const (
	jsonContentType = "application/x-amz-json-1.0"
	targetPrefix    = "AmazonSQS."
)

// reply is a finished answer.
type reply struct {
	status      int
	contentType string
	requestID   string
	queryError  string
	body        []byte
}

func (a *reply) header() http.Header {
	h := http.Header{
		"Content-Type":     {a.contentType},
		"Content-Length":   {strconv.Itoa(len(a.body))},
		"X-Amzn-Requestid": {a.requestID},
	}
	if a.queryError != "" {
		h["X-Amzn-Query-Error"] = []string{a.queryError}
	}
	return h
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ServeHTTP answers one request of either protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := s.answer(r)
	maps.Copy(w.Header(), answer.header())
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // the client is gone: its loss
}

func (s *Server) answer(r *http.Request) reply {
	buf, _ := buffers.Get().(*bytes.Buffer)
	defer func() {
		buf.Reset()
		buffers.Put(buf)
	}()
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, maxRequest+1)); err != nil {
		return s.failure(errSerialization("reading the request: " + err.Error()))
	}
	if buf.Len() > maxRequest {
		return s.failure(errTooLarge(maxRequest))
	}
	out, err := s.perform(r, buf.Bytes())
	if err != nil {
		return s.failure(err)
	}
	return s.success(out)
}

// perform decodes, runs and returns the answer of the action that the request names.
func (s *Server) perform(r *http.Request, body []byte) (reflect.Value, error) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	act, known := actions[name]
	if !ok || !known || r.Method != http.MethodPost {
		return reflect.Value{}, errUnknownAction(name)
	}
	in := reflect.New(act.request)
	if err := readJSON(body, in.Elem()); err != nil {
		return reflect.Value{}, err
	}
	c := &call{server: s, base: s.base(r), sender: sender(r, s.cfg.Account)}
	return act.run(r.Context(), c, in)
}

// base is the endpoint as the client calls it, which may be another name of this server.
func (s *Server) base(r *http.Request) string {
	if r.Host == "" {
		return s.URL()
	}
	return "http://" + r.Host
}

// sender is the access key id of the request's signature, which is not checked.
func sender(r *http.Request, fallback string) string {
	_, credential, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if !ok {
		return fallback
	}
	key, _, _ := strings.Cut(credential, "/")
	return key
}

func (s *Server) success(out reflect.Value) reply {
	return reply{
		status: http.StatusOK, contentType: jsonContentType, requestID: s.newRequestID(),
		body: appendJSON(make([]byte, 0, 512), out, shapeOf(out.Type())),
	}
}

func (s *Server) failure(err error) reply {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = &apiError{shape: sqsNamespace + "RequestCanceled", query: "RequestCanceled", status: 499, message: "The client has gone."}
	}
	e := asAPIError(err)
	b := appendJSONString([]byte(`{"__type":`), e.shape)
	b = appendJSONString(append(b, `,"message":`...), e.message)
	return reply{
		status: e.status, contentType: jsonContentType, requestID: s.newRequestID(),
		queryError: e.query + ";" + e.fault(), body: append(b, '}'),
	}
}

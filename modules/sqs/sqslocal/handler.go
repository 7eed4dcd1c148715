package sqslocal

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// maxRequest bounds a request. A batch of 1 MiB may take six times that as escaped JSON, plus handles and names.
const maxRequest = 8 << 20

// reply is a finished answer.
type reply struct {
	status     int
	mediaType  string
	requestID  string
	queryError string
	body       []byte
	recycle    *[]byte // where body goes when it is written
	reset      bool    // break the connection instead of answering
}

// fill writes the answer's headers.
func (a *reply) fill(h http.Header) {
	h["Content-Type"] = []string{a.mediaType}
	h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	h["X-Amzn-Requestid"] = []string{a.requestID}
	if a.queryError != "" {
		h["X-Amzn-Query-Error"] = []string{a.queryError}
	}
}

// Requests are read into buffers, answers written into bodies. Both are used again: at full speed they would be most of the
// garbage.
var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	bodies  = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}
)

// maxPooled keeps the pool from hoarding the buffers of large requests.
const maxPooled = 64 << 10

// answer reads and performs one request and appends the answer's body to b.
func (s *Server) answer(ctx context.Context, r *http.Request, b []byte) reply {
	buf, _ := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	p := protocolOf(r)
	id := s.newRequestID()
	name, out, err := s.perform(ctx, r, p, buf)
	if broken(err) || err != nil && ctx.Err() != nil {
		return reply{reset: true}
	}
	if err != nil {
		e := asAPIError(err)
		return reply{
			status: e.status, mediaType: p.contentType(), requestID: id,
			queryError: e.query + ";" + e.fault(), body: p.failure(b, e, id),
		}
	}
	return reply{status: http.StatusOK, mediaType: p.contentType(), requestID: id, body: p.success(b, name, out, id)}
}

// perform decodes the request and runs its action, with the faults that are due.
func (s *Server) perform(ctx context.Context, r *http.Request, p protocol, buf *bytes.Buffer) (string, reflect.Value, error) {
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, maxRequest+1)); err != nil {
		return "", reflect.Value{}, errSerialization("reading the request: " + err.Error())
	}
	if buf.Len() > maxRequest {
		return "", reflect.Value{}, errTooLarge(maxRequest)
	}
	name, err := p.action(r, buf.Bytes())
	if err != nil {
		return "", reflect.Value{}, err
	}
	act, known := actions[name]
	if !known {
		return "", reflect.Value{}, errUnknownAction(name)
	}
	in := reflect.New(act.request)
	if err := p.read(r, buf.Bytes(), in.Elem()); err != nil {
		return "", reflect.Value{}, err
	}
	s.calls[name].Add(1)
	c := &call{server: s, base: s.base(r), sender: sender(r, s.cfg.Account)}
	out, err := s.run(ctx, c, act, in)
	return name, out, err
}

// run runs an action between the faults that come before and after it.
func (s *Server) run(ctx context.Context, c *call, act action, in reflect.Value) (reflect.Value, error) {
	c.faults = s.faults.draw(act.name, queueNameOf(in.Elem()))
	ctx, cancel, err := c.faults.before(ctx, s.closing)
	defer cancel()
	if err != nil {
		return reflect.Value{}, err
	}
	out, err := act.run(ctx, c, in)
	if after := c.faults.after(ctx); after != nil {
		return reflect.Value{}, after
	}
	return out, err
}

// queueNameOf returns the last part of a request's queue URL, or the name of the queue that it creates or looks for.
func queueNameOf(in reflect.Value) string {
	s := shapeOf(in.Type())
	if i, has := s.byName["QueueUrl"]; has {
		path := in.Field(s.fields[i].index).String()
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	if i, has := s.byName["QueueName"]; has {
		return in.Field(s.fields[i].index).String()
	}
	return ""
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

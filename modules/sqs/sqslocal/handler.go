package sqslocal

import (
	"bytes"
	"context"
	"io"
	"log"
	"maps"
	"net"
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

// reply is a finished answer.
type reply struct {
	status     int
	mediaType  string
	requestID  string
	queryError string
	body       []byte
	reset      bool // break the connection instead of answering
}

func (a *reply) header() http.Header {
	h := http.Header{
		"Content-Type":     {a.mediaType},
		"Content-Length":   {strconv.Itoa(len(a.body))},
		"X-Amzn-Requestid": {a.requestID},
	}
	if a.queryError != "" {
		h["X-Amzn-Query-Error"] = []string{a.queryError}
	}
	return h
}

// ServeHTTP answers one request of either protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := s.answer(r)
	if answer.reset {
		reset(w)
		return
	}
	maps.Copy(w.Header(), answer.header())
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // the client is gone: its loss
}

// reset breaks the connection so that the client sees a reset, not an orderly end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps the pool from hoarding the buffers of large requests.
const maxPooled = 64 << 10

// answer reads, performs and answers one request.
func (s *Server) answer(r *http.Request) reply {
	buf, _ := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	p := protocolOf(r)
	id := s.newRequestID()
	name, out, err := s.perform(r, p, buf)
	if broken(err) || r.Context().Err() != nil {
		return reply{reset: true}
	}
	if err != nil {
		e := asAPIError(err)
		return reply{
			status: e.status, mediaType: p.contentType(), requestID: id,
			queryError: e.query + ";" + e.fault(), body: p.failure(e, id),
		}
	}
	return reply{status: http.StatusOK, mediaType: p.contentType(), requestID: id, body: p.success(name, out, id)}
}

// perform decodes the request and runs its action, with the faults that are due.
func (s *Server) perform(r *http.Request, p protocol, buf *bytes.Buffer) (string, reflect.Value, error) {
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
	out, err := s.run(r.Context(), c, act, in)
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

package sqslocal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// The limits of a connection.
const (
	readTimeout    = 30 * time.Second // for a whole request, so that a slow client holds nothing for long
	writeTimeout   = 30 * time.Second
	idleTimeout    = 5 * time.Minute
	lingerTimeout  = 500 * time.Millisecond
	maxHeaderBytes = 64 << 10
	maxDrain       = 64 << 20 // of a body that was refused for its size, so that the client gets to read why
)

// connection serves the requests of one client, one after the other.
type connection struct {
	server *Server
	net    net.Conn
	budget budget
	in     *bufio.Reader
	out    []byte
	busy   atomic.Bool // between a request's headers and its answer's last byte
}

func newConnection(s *Server, nc net.Conn) *connection {
	c := &connection{server: s, net: nc, budget: budget{from: nc}}
	c.in = bufio.NewReader(&c.budget)
	return c
}

// serve returns when the connection is at its end.
func (c *connection) serve() {
	defer c.net.Close() //nolint:errcheck // nothing left to lose
	// The order matters: after the closing signal, close ends the connections that are not busy, and those that were see it here.
	for !c.server.closed() && c.exchange() {
		c.busy.Store(false)
	}
}

// exchange reads one request and answers it. It reports whether the connection is good for another.
func (c *connection) exchange() bool {
	c.budget.left = maxHeaderBytes
	_ = c.net.SetReadDeadline(time.Now().Add(idleTimeout)) // fails on a closed connection only, as the read then does
	if _, err := c.in.Peek(1); err != nil {
		return false
	}
	_ = c.net.SetReadDeadline(time.Now().Add(readTimeout))
	r, err := http.ReadRequest(c.in)
	c.budget.left = math.MaxInt
	if err != nil {
		c.refuse(err)
		return false
	}
	c.busy.Store(true)
	if r.Header.Get("Expect") == "100-continue" {
		if _, err := io.WriteString(c.net, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return false
		}
	}
	answer := c.answer(r)
	if answer.reset {
		c.reset()
		return false
	}
	_, err = io.CopyN(io.Discard, r.Body, maxDrain)
	last := r.Close || !errors.Is(err, io.EOF) || c.server.closed()
	return c.write(r, &answer, last) == nil && !last
}

// answer performs the request. Its context ends when the client goes while the request waits.
func (c *connection) answer(r *http.Request) reply {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &watch{connection: c, cancel: cancel}
	buf, _ := bodies.Get().(*[]byte)
	answer := c.server.answer(context.WithValue(ctx, watchKey{}, w), r, (*buf)[:0])
	if cap(answer.body) <= maxPooled {
		answer.recycle = buf
	}
	return answer
}

func (c *connection) write(r *http.Request, a *reply, last bool) error {
	b := append(c.out[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(append(b, ' '), http.StatusText(a.status)...)
	b = append(append(b, "\r\nx-amzn-RequestId: "...), a.requestID...)
	b = append(append(b, "\r\nContent-Type: "...), a.mediaType...)
	if a.queryError != "" {
		b = append(append(b, "\r\nx-amzn-query-error: "...), a.queryError...)
	}
	b = time.Now().UTC().AppendFormat(append(b, "\r\nDate: "...), http.TimeFormat)
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(a.body)), 10)
	if last {
		b = append(b, "\r\nConnection: close"...)
	}
	b = append(b, "\r\n\r\n"...)
	if r.Method != http.MethodHead {
		b = append(b, a.body...)
	}
	if a.recycle != nil {
		*a.recycle = a.body
		bodies.Put(a.recycle)
	}
	if cap(b) <= maxPooled {
		c.out = b
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.net.Write(b)
	return err
}

// refuse answers what is not HTTP, unless the client has gone or said nothing in time.
func (c *connection) refuse(err error) {
	status := http.StatusBadRequest
	if c.budget.spent {
		status = http.StatusRequestHeaderFieldsTooLarge
	} else if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	_ = c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = io.WriteString(c.net, "HTTP/1.1 "+text+"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+text)
	c.linger()
}

// linger reads on for a moment after the last answer. Closing with bytes unread would reset the connection, and the client
// would never read why.
func (c *connection) linger() {
	if tcp, ok := c.net.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.CopyN(io.Discard, c.net, maxDrain)
}

// reset breaks the connection so that the client sees a reset, not an orderly end.
func (c *connection) reset() {
	if tcp, ok := c.net.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// budget bounds how much is read for one request's headers.
type budget struct {
	from  io.Reader
	left  int
	spent bool
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.spent = true
		return 0, errors.New("request headers are too large")
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// watch ends a request's context when its client goes.
type watch struct {
	connection *connection
	cancel     context.CancelFunc
}

type watchKey struct{}

// watchClient sees to it that ctx, if it is a request's, ends when the client goes. A request calls it before it waits. The
// returned function ends the watch.
func watchClient(ctx context.Context) (stop func()) {
	w, ok := ctx.Value(watchKey{}).(*watch)
	if !ok {
		return func() {}
	}
	c := w.connection
	_ = c.net.SetReadDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The request has been read, so that all that can come is the end, or the next request of a client who pipelines.
		if _, err := c.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			w.cancel()
		}
	}()
	return func() {
		_ = c.net.SetReadDeadline(time.Unix(1, 0)) // ends the Peek
		<-done
	}
}

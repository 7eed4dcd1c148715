package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	batch    = 10
	bodySize = 200
)

// result is what one run of one server came to.
type result struct {
	messages int
	elapsed  time.Duration
	cpu      time.Duration // of the server, by the operating system
}

func (r result) perSecond() float64 { return float64(r.messages) / r.elapsed.Seconds() }

func (r result) cpuPerMessage() time.Duration { return r.cpu / time.Duration(r.messages) }

// measure runs loops in parallel, each sending, receiving and deleting in tens, until messages have gone through.
func measure(s *server, queueURL string, loops, messages int) (result, error) {
	conns := make([]*conn, loops)
	for i := range conns {
		c, err := dial(s.addr)
		if err != nil {
			return result{}, err
		}
		defer c.net.Close() //nolint:errcheck // nothing left to lose
		conns[i] = c
	}
	var left, done atomic.Int64
	left.Store(int64(messages / batch))
	errs := make([]error, loops)
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			b := newBodies(queueURL)
			for left.Add(-1) >= 0 && errs[i] == nil {
				var n int
				n, errs[i] = b.roundTrip(c)
				done.Add(int64(n))
			}
		})
	}
	wg.Wait()
	r := result{messages: int(done.Load()), elapsed: time.Since(start)}
	after, err := s.cpu()
	r.cpu = after - before
	return r, errors.Join(append(errs, err)...)
}

// bodies are the requests of one loop, built once but for the receipt handles.
type bodies struct {
	send, receive, deleteHead []byte
	remove                    []byte
}

func newBodies(queueURL string) *bodies {
	text := strings.Repeat("x", bodySize)
	send := fmt.Appendf(nil, `{"QueueUrl":%q,"Entries":[`, queueURL)
	for i := range batch {
		if i > 0 {
			send = append(send, ',')
		}
		send = fmt.Appendf(send, `{"Id":"m%d","MessageBody":%q}`, i, text)
	}
	return &bodies{
		send:       append(send, "]}"...),
		receive:    fmt.Appendf(nil, `{"QueueUrl":%q,"MaxNumberOfMessages":%d}`, queueURL, batch),
		deleteHead: fmt.Appendf(nil, `{"QueueUrl":%q,"Entries":[`, queueURL),
	}
}

var (
	handleKey = []byte(`"ReceiptHandle":"`)
	failedKey = []byte(`"Failed":[{`)
)

// roundTrip sends ten, receives up to ten and deletes what it received. It returns how many went.
func (b *bodies) roundTrip(c *conn) (int, error) {
	answer, err := c.call("SendMessageBatch", b.send)
	if err != nil {
		return 0, err
	}
	if bytes.Contains(answer, failedKey) {
		return 0, fmt.Errorf("send failed: %s", answer)
	}
	if answer, err = c.call("ReceiveMessage", b.receive); err != nil {
		return 0, err
	}
	b.remove = append(b.remove[:0], b.deleteHead...)
	n := 0
	for {
		_, rest, found := bytes.Cut(answer, handleKey)
		if !found {
			break
		}
		handle, tail, _ := bytes.Cut(rest, []byte{'"'})
		if n > 0 {
			b.remove = append(b.remove, ',')
		}
		b.remove = fmt.Appendf(b.remove, `{"Id":"m%d","ReceiptHandle":"%s"}`, n, handle)
		answer = tail
		n++
	}
	if n == 0 {
		return 0, nil
	}
	answer, err = c.call("DeleteMessageBatch", append(b.remove, "]}"...))
	if err == nil && bytes.Contains(answer, failedKey) {
		err = fmt.Errorf("delete failed: %s", answer)
	}
	return n, err
}

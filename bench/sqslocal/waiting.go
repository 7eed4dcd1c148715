package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// scale measures one server against its own size: the same load on an empty queue and on one where many messages wait, and
// what polls cost that wait on an idle server.
func scale(ctx context.Context, s *server, waiting, polls, messages int, out io.Writer) error {
	url, err := s.createQueue("scale")
	if err != nil {
		return err
	}
	if _, err := measure(s, url, 8, messages/5); err != nil { // warm up
		return err
	}
	report := newReport(out)
	report.line("%-28s %12s %14s %10s\n", "queue", "messages/s", "CPU/message", "memory")
	before, err := s.memory()
	if err != nil {
		return err
	}
	if err := report.load(s, url, "empty", messages); err != nil {
		return err
	}
	if err := fill(s, url, waiting); err != nil {
		return err
	}
	if err := report.load(s, url, fmt.Sprintf("%d waiting", waiting), messages); err != nil {
		return err
	}
	after, err := s.memory()
	if err != nil {
		return err
	}
	report.line("%d B of resident memory per waiting message with a body of %d B\n", (after-before)/waiting, bodySize)
	return report.polls(ctx, s, polls)
}

// fill sends n messages that stay.
func fill(s *server, queueURL string, n int) error {
	c, err := dial(s.addr)
	if err != nil {
		return err
	}
	defer c.net.Close() //nolint:errcheck // nothing left to lose
	b := newBodies(queueURL)
	for i := 0; i < n; i += batch {
		if _, err := c.call("SendMessageBatch", b.send); err != nil {
			return err
		}
	}
	return nil
}

// report writes lines and remembers the first error.
type report struct {
	out io.Writer
	err error
}

func newReport(out io.Writer) *report { return &report{out: out} }

func (r *report) line(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, format, args...)
	}
}

func (r *report) load(s *server, url, name string, messages int) error {
	one, err := measure(s, url, 8, messages)
	if err != nil {
		return err
	}
	memory, err := s.memory()
	r.line("%-28s %12.0f %14s %7d MB\n", name, one.perSecond(), one.cpuPerMessage().Round(10*time.Nanosecond), memory>>20)
	return err
}

// idle is how long the waiting polls are watched. They wait for 20 s.
const idle = 10 * time.Second

// polls tells what n polls that wait cost a server that does nothing else.
func (r *report) polls(ctx context.Context, s *server, n int) error {
	url, err := s.createQueue("polled")
	if err != nil {
		return err
	}
	answers := make(chan error, n)
	for range n {
		c, err := dial(s.addr)
		if err != nil {
			return err
		}
		defer c.net.Close() //nolint:errcheck // nothing left to lose
		go func() {
			_, err := c.call("ReceiveMessage", fmt.Appendf(nil, `{"QueueUrl":%q,"WaitTimeSeconds":20}`, url))
			answers <- err
		}()
	}
	pause := time.NewTimer(2 * time.Second) // until all have arrived
	defer pause.Stop()
	var used [2]time.Duration
	for i := range used {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if used[i], err = s.cpu(); err != nil {
			return err
		}
		pause.Reset(idle)
	}
	r.line("%d waiting polls: %v of CPU in %v\n", n, used[1]-used[0], idle)
	for range n {
		if err := <-answers; err != nil {
			return err
		}
	}
	return r.err
}

// memory is the resident memory of the process in bytes.
func (s *server) memory() (int, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(raw, []byte("VmRSS:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kb, err := strconv.Atoi(strings.TrimSpace(string(line)))
	return kb << 10, err
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is a process under test.
type server struct {
	name string
	addr string
	cmd  *exec.Cmd
}

// startSQSLocal builds and starts cmd/sqslocal of the module in root.
func startSQSLocal(ctx context.Context, root, dir string) (*server, error) {
	binary := filepath.Join(dir, "sqslocal")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./modules/sqs/sqslocal/cmd/sqslocal")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building sqslocal: %w: %s", err, out)
	}
	return start(ctx, "sqslocal", func(addr string) *exec.Cmd {
		return exec.CommandContext(ctx, binary, "-addr", addr)
	})
}

// startFauxqs starts the npm package fauxqs, installed in packages, with the starter of the conformance suite.
func startFauxqs(ctx context.Context, root, packages string) (*server, error) {
	script, err := os.ReadFile(filepath.Join(root, "modules/sqs/sqslocal/conformance/fauxqs.mjs"))
	if err != nil {
		return nil, err
	}
	return start(ctx, "fauxqs", func(addr string) *exec.Cmd {
		_, port, _ := net.SplitHostPort(addr)
		cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-", port)
		cmd.Dir, cmd.Stdin = packages, bytes.NewReader(script)
		return cmd
	})
}

// start runs a server on a free port and waits for the first line that it prints.
func start(ctx context.Context, name string, command func(addr string) *exec.Cmd) (*server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{name: name, addr: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	s.cmd = command(s.addr)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("%s did not start: %w", name, err)
	}
	return s, nil
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill() // a child of ours, and nothing in it to keep
	_ = s.cmd.Wait()
}

// createQueue returns the URL of a new queue.
func (s *server) createQueue(name string) (string, error) {
	c, err := dial(s.addr)
	if err != nil {
		return "", err
	}
	defer c.net.Close() //nolint:errcheck // nothing left to lose
	answer, err := c.call("CreateQueue", fmt.Appendf(nil, `{"QueueName":%q}`, name))
	if err != nil {
		return "", err
	}
	_, rest, _ := bytes.Cut(answer, []byte(`"QueueUrl":"`))
	url, _, found := bytes.Cut(rest, []byte{'"'})
	if !found {
		return "", fmt.Errorf("no queue URL in %s", answer)
	}
	return string(url), nil
}

// clockTick is the unit of /proc/PID/stat; Linux has used 100 Hz there on every architecture for decades.
const clockTick = time.Second / 100

// cpu is the user and system time that the process has used, all threads together.
func (s *server) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(raw), ") ") // the name in parentheses may hold spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("unexpected /proc stat: %s", raw)
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick, err
}

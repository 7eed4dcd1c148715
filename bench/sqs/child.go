package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// roleVariable tells a process of the rig what it is; unset, it is the rig itself.
const roleVariable = "FXPOND_RIG_ROLE"

const (
	roleServer   = "server"
	roleConsumer = "consumer"
	rolePublish  = "publisher"
)

// Main runs the role that a re-executed process has, and does not return then. Commands and TestMain call it first.
func Main() {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		return
	case roleServer:
		err = serve(os.Stdin, os.Stdout)
	case roleConsumer:
		err = consume(os.Stdin, os.Stdout)
	case rolePublish:
		err = publish(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("role %q is unknown", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process of the rig. It answers requests, one line of JSON each, in order.
type child struct {
	cmd    *exec.Cmd
	in     *json.Encoder
	out    *json.Decoder
	closer io.Closer

	waited sync.Once
	err    error
}

// spawn re-executes this binary in a role.
func spawn(ctx context.Context, role string, env ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // itself
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	return &child{cmd: cmd, in: json.NewEncoder(in), out: json.NewDecoder(bufio.NewReader(out)), closer: in}, nil
}

// ask sends one request and waits for its answer.
func (c *child) ask(request, answer any) error {
	if err := c.in.Encode(request); err != nil {
		return fmt.Errorf("asking a process of the rig: %w", err)
	}
	var line struct {
		Error  string
		Answer json.RawMessage
	}
	if err := c.out.Decode(&line); err != nil {
		return fmt.Errorf("hearing a process of the rig: %w", err)
	}
	if line.Error != "" {
		return errors.New(line.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(line.Answer, answer)
}

// terminate sends SIGTERM and measures how long the process takes to end well.
func (c *child) terminate() (time.Duration, error) {
	began := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	c.wait()
	return time.Since(began), c.err
}

func (c *child) wait() {
	c.waited.Do(func() { c.err = c.cmd.Wait() })
}

// end closes the process's input, which ends it, and waits.
func (c *child) end() error {
	_ = c.closer.Close()
	c.wait()
	return c.err
}

// kill ends the process at once.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	c.wait()
}

// answers reads requests until the input ends and writes what handle says to each.
func answers[R any](in io.Reader, out io.Writer, handle func(R) (any, error)) error {
	requests, lines := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var r R
		if err := requests.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := handle(r)
		line := struct {
			Error  string `json:",omitempty"`
			Answer any    `json:",omitempty"`
		}{Answer: answer}
		if err != nil {
			line.Error = err.Error()
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
}

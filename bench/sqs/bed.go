package rig

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// bed is one run of a scenario: a server with one queue, and clients of it.
type bed struct {
	ctx     context.Context
	dir     string // of ledgers
	profile string // folder, "" takes no profiles
	name    string // of the run, for profiles

	server *child
	at     created
}

// newBed starts the server.
func newBed(ctx context.Context, o Options, name string, visibility time.Duration) (*bed, error) {
	dir, err := os.MkdirTemp("", "fxpond-rig-")
	if err != nil {
		return nil, err
	}
	b := &bed{ctx: ctx, dir: dir, profile: o.Profile, name: name}
	if b.server, err = spawn(ctx, roleServer); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := b.server.ask(serverRequest{Op: "create", Visibility: visibility}, &b.at); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bed) close() {
	b.server.kill()
	_ = os.RemoveAll(b.dir)
}

// ledgerPath is where the clients of this run write what they have done.
func (b *bed) ledgerPath() string { return filepath.Join(b.dir, "ledger") }

// client starts a process for the job, which waits for "start".
func (b *bed) client(role string, j job) (*child, error) {
	j.URL = b.at.URL
	if b.profile != "" {
		j.Profile = filepath.Join(b.profile, strings.ReplaceAll(b.name+"-"+j.Contestant, " ", "-")+".pprof")
	}
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return spawn(b.ctx, role, append(environment(b.at.Endpoint), jobVariable+"="+string(raw))...)
}

// consumer starts a contestant on the queue.
func (b *bed) consumer(j job) (*child, error) {
	c, err := b.client(roleConsumer, j)
	if err != nil {
		return nil, err
	}
	if err := c.ask(clientRequest{Op: "start"}, nil); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

func (b *bed) fill(n int) error { return b.server.ask(serverRequest{Op: "fill", N: n}, nil) }

func (b *bed) mark() (mark, error) {
	var m mark
	err := b.server.ask(serverRequest{Op: "mark"}, &m)
	return m, err
}

// slow delays each request of a client, and adds other faults. It holds for what comes after it.
func (b *bed) slow(latency time.Duration, more ...sqslocal.Fault) error {
	all := more
	if latency > 0 {
		all = append([]sqslocal.Fault{{Effect: sqslocal.Slow, Latency: sqslocal.Latency{P50: latency}}}, more...)
	}
	return b.server.ask(serverRequest{Op: "faults", Faults: all}, nil)
}

// drain waits until the queue is empty and says how many messages are left.
func (b *bed) drain(patience time.Duration) (int, error) {
	var left int
	err := b.server.ask(serverRequest{Op: "drain", Patience: patience}, &left)
	return left, err
}

func (b *bed) history() ([]life, error) {
	var all []life
	err := b.server.ask(serverRequest{Op: "history"}, &all)
	return all, err
}

// await waits until the client has handled n messages.
func await(c *child, n int, patience time.Duration) (usage, error) {
	var u usage
	err := c.ask(clientRequest{Op: "await", N: int64(n), Patience: patience}, &u)
	return u, err
}

// stop stops the client as its contestant's documentation says.
func stop(c *child) (usage, error) {
	var u usage
	err := c.ask(clientRequest{Op: "stop"}, &u)
	return u, errors.Join(err, c.end())
}

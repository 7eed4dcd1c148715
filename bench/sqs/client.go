package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// jobVariable holds the job of a client's process.
const jobVariable = "FXPOND_RIG_JOB"

// job is what a client's process does.
type job struct {
	Contestant  string
	URL         string // of the queue
	N           int    // messages are numbered below it
	Concurrency int    // messages at a time; 0 is the contestant's own default
	Cost        time.Duration
	SlowEvery   int
	SlowCost    time.Duration
	Ledger      string // file, "" keeps none
	Profile     string // file, "" takes none
}

// clientRequest is what the rig asks of a client's process.
type clientRequest struct {
	Op       string // start, await, stop
	N        int64
	Patience time.Duration
}

// contestant consumes the queue until it is stopped.
type contestant interface {
	start(ctx context.Context, j job, w *work) error
	// stop ends it as its own documentation says.
	stop(ctx context.Context) error
	// gaveUp says why it has ended by itself.
	gaveUp() error
}

// stopPatience is how long a stop may take. An orchestrator kills later than that.
const stopPatience = 30 * time.Second

// contestants by name.
var contestants = map[string]func() contestant{
	ours:    func() contestant { return &fxpond{} },
	naive:   func() contestant { return &naiveLoop{} },
	strong:  func() contestant { return &strongLoop{} },
	goCloud: func() contestant { return &goCloudLoop{} },
}

const (
	ours    = "fxpond"
	naive   = "naive loop"
	strong  = "strong loop"
	goCloud = "go-cloud"
)

// consume is the process of a contestant. SIGTERM stops the contestant and ends the process.
func consume(in io.Reader, out io.Writer) error {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j); err != nil {
		return err
	}
	c := contestants[j.Contestant]()
	w, err := newWork(j)
	if err != nil {
		return err
	}
	endProfile, err := profile(j.Profile)
	if err != nil {
		return err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	var mu sync.Mutex // a signal may come at any time
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
		defer cancel()
		mu.Lock()
		defer mu.Unlock()
		err := c.stop(ctx)
		endProfile()
		return err
	}
	go func() {
		<-term
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "rig: stopping", j.Contestant+":", err)
		}
		os.Exit(0)
	}()
	return answers(in, out, func(r clientRequest) (any, error) {
		switch r.Op {
		case "start":
			mu.Lock()
			defer mu.Unlock()
			return nil, c.start(context.Background(), j, w)
		case "await":
			return withReason(w.await(r.N, r.Patience), c), nil
		case "stop":
			err := stop()
			u := withReason(w.usage(), c)
			u.Missing = w.missing()
			return u, err
		}
		return nil, fmt.Errorf("a client knows no %q", r.Op)
	})
}

func withReason(u usage, c contestant) usage {
	if err := c.gaveUp(); err != nil {
		u.Stopped = err.Error()
	}
	return u
}

// profile records the processor's work into a file, and allocations into another beside it, until the returned function
// is called.
func profile(path string) (end func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	runtime.MemProfileRate = 64 << 10
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		if err := errors.Join(file.Close(), writeAllocs(path+".allocs")); err != nil {
			fmt.Fprintln(os.Stderr, "rig:", err)
		}
	}, nil
}

func writeAllocs(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}

// newClient is an SDK client as its documentation makes one: the rivals have no other.
func newClient(ctx context.Context, opts ...func(*awssqs.Options)) (*awssqs.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return awssqs.NewFromConfig(cfg, opts...), nil
}

// environment points the SDK's own chain at the server.
func environment(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL_SQS=" + endpoint, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=rig", "AWS_SECRET_ACCESS_KEY=rig", "AWS_EC2_METADATA_DISABLED=true",
	}
}

package sqs_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// crashEndpoint tells the test binary that it is the process to be killed.
const crashEndpoint = "FXPOND_TEST_CRASH_ENDPOINT"

// TestPublishUntilKilled is the child of the test below: it publishes from 64 goroutines, writes a line
// for each Publish that returned nil, and never ends by itself.
func TestPublishUntilKilled(t *testing.T) {
	endpoint := os.Getenv(crashEndpoint)
	if endpoint == "" {
		t.Skip("runs as the child of TestAKilledProcessHasStoredWhatItSaid only")
	}
	client := awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, sqs.ForPollers)
	p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: standard}}}, client)
	must(t, err)
	var out sync.Mutex
	var group sync.WaitGroup
	for c := range 64 {
		group.Go(func() {
			for i := 0; ; i++ {
				n := i*64 + c
				if err := p.Publish(context.Background(), numbered("work.done", n)); err != nil {
					continue // the parent closes the server in the end
				}
				out.Lock()
				fmt.Println("stored", n) //nolint:forbidigo // the parent reads it; one write, so no line is cut
				out.Unlock()
			}
		})
	}
	group.Wait()
}

func TestAKilledProcessHasStoredWhatItSaid(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a process")
	}
	srv, err := sqslocal.Start(sqslocal.Config{JournalSize: -1})
	must(t, err)
	defer func() { must(t, srv.Close()) }()
	_, err = srv.CreateQueue(standard, nil)
	must(t, err)
	f := slow(15 * time.Millisecond)
	must(t, srv.SetFaults(f, sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch", Probability: 0.05}))

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPublishUntilKilled$", "-test.timeout=1m")
	child.Env = append(os.Environ(), crashEndpoint+"="+srv.URL())
	stdout, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var told []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		n, ok := strings.CutPrefix(lines.Text(), "stored ")
		if !ok {
			continue
		}
		if told = append(told, n); len(told) == 1500 {
			must(t, child.Process.Kill()) // in mid-load; what is in the pipe is still read
		}
	}
	if err := child.Wait(); err == nil || len(told) < 1500 {
		t.Fatalf("the child ended by itself (%v) after %d events", err, len(told))
	}

	d := &desk{t: t, srv: srv, client: srv.Client(sqs.ForPollers)}
	stored := map[string]bool{}
	for _, n := range numbers(t, d.receive(standard)) {
		stored[fmt.Sprint(n)] = true
	}
	t.Logf("killed after %d answers, %d messages in the queue", len(told), len(stored))
	for _, n := range told {
		if !stored[n] {
			t.Errorf("event %s is not in the queue, and its Publish returned nil", n)
		}
	}
}

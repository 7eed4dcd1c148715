package sqs_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// consumeEndpoint tells the test binary that it is the consumer to be killed.
const consumeEndpoint = "FXPOND_TEST_CONSUME_ENDPOINT"

const (
	crashQueue    = "crash"
	crashMessages = 600
	crashSlots    = 8
)

// TestConsumeUntilKilled is the child of the test below: it consumes, writes a line for each message
// that a listener has finished, and never ends by itself.
func TestConsumeUntilKilled(t *testing.T) {
	endpoint := os.Getenv(consumeEndpoint)
	if endpoint == "" {
		t.Skip("runs as the child of TestKilledConsumersLoseNothing only")
	}
	client := awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, sqs.ForPollers)
	pool, err := goroutine.NewPool(goroutine.Config{MaxWorkers: crashSlots})
	must(t, err)
	must(t, pool.Start(context.Background()))
	bus, err := events.NewBus(events.Config{}, pool, []events.Listener{listen(func(_ context.Context, n int) error {
		wait(2 * time.Millisecond)
		_, err := os.Stdout.WriteString("done " + strconv.Itoa(n) + "\n") // one write, so no line is cut
		return err
	})})
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	c, err := sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: crashQueue, Visibility: time.Second}}}, client, pool, bus, decoder)
	must(t, err)
	must(t, c.Start(context.Background()))
	select {}
}

func TestKilledConsumersLoseNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts processes")
	}
	srv, err := sqslocal.Start(sqslocal.Config{})
	must(t, err)
	defer func() { must(t, srv.Close()) }()
	_, err = srv.CreateQueue(crashQueue, nil)
	must(t, err)
	r := &rig{t: t, srv: srv, client: srv.Client(), queue: crashQueue}
	r.sendEvents(crashMessages)

	runs := map[int]int{}
	kills := 0
	for r.depth(crashQueue) > 0 {
		if consumeUntil(t, srv, runs, 40+37*kills%120) {
			kills++
		}
	}
	if kills < 3 {
		t.Errorf("only %d kills in mid-load", kills)
	}
	again := 0
	for n := range crashMessages {
		if runs[n] == 0 {
			t.Errorf("message %d is gone and no listener has finished with it", n)
		}
		again += max(runs[n]-1, 0)
	}
	// What may run again is what had run and was not deleted yet when its process died.
	t.Logf("%d messages, %d kills, %d runs repeated", crashMessages, kills, again)
	if deleted := srv.Journal().Count(crashQueue, sqslocal.Deleted); deleted != crashMessages {
		t.Errorf("%d messages were deleted, want %d", deleted, crashMessages)
	}
}

// consumeUntil runs a consumer process and kills it after so many lines, or when the queue is empty. It
// says whether that was in mid-load.
func consumeUntil(t *testing.T, srv *sqslocal.Server, runs map[int]int, lines int) (midLoad bool) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConsumeUntilKilled$", "-test.timeout=1m")
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s", consumeEndpoint, srv.URL()))
	stdout, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	told := make(chan int)
	go func() {
		defer close(told)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			if n, err := strconv.Atoi(strings.TrimPrefix(scan.Text(), "done ")); err == nil {
				told <- n
			}
		}
	}()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	killed := false
	kill := func() {
		if !killed {
			killed = true
			must(t, child.Process.Kill())
		}
	}
	for seen := 0; ; {
		select {
		case n, ok := <-told: // what is in the pipe is read after the kill too
			if !ok {
				_ = child.Wait() // it was killed
				return midLoad
			}
			runs[n]++
			if seen++; seen == lines {
				midLoad = !killed
				kill()
			}
		case <-look.C:
			if s, _ := srv.Queue(crashQueue); s.Visible+s.InFlight == 0 {
				kill()
			}
		}
	}
}

package sqslocal_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// everywhere runs a test in process and over HTTP.
func everywhere(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Run("in process", func(t *testing.T) { test(t, inProcess(t, sqslocal.Config{Seed: 7})) })
	t.Run("over http", func(t *testing.T) { test(t, overHTTP(t, sqslocal.Config{Seed: 7})) })
}

func (b *bench) trySend(url string) error {
	_, err := b.client.SendMessage(b.t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
	return err
}

func TestRefusals(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		url := b.queue("q", nil)
		for effect, want := range map[sqslocal.Effect]struct {
			code   string
			status int
		}{
			sqslocal.ServerError: {"InternalError", http.StatusInternalServerError},
			sqslocal.Unavailable: {"ServiceUnavailable", http.StatusServiceUnavailable},
			sqslocal.Throttle:    {"RequestThrottled", http.StatusForbidden},
		} {
			b.must(b.srv.SetFaults(sqslocal.Fault{Effect: effect, Action: "SendMessage"}))
			err := b.trySend(url)
			response, ok := errors.AsType[*awshttp.ResponseError](err)
			if code(err) != want.code || !ok || response.HTTPStatusCode() != want.status {
				t.Errorf("%s: %v", effect, err)
			}
			if b.srv.Faulted(string(effect)) != 1 {
				t.Errorf("%s: counted %d", effect, b.srv.Faulted(string(effect)))
			}
		}
		b.must(b.srv.SetFaults())
		if s := b.state("q"); s.Visible != 0 {
			t.Errorf("a refused send had an effect: %+v", s)
		}
		b.must(b.trySend(url))
	})
}

func TestResetsBreakTheConnectionBeforeAndAfterTheEffect(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		url := b.queue("q", nil)
		for visible, effect := range []sqslocal.Effect{sqslocal.ResetBefore, sqslocal.ResetAfter} {
			b.must(b.srv.SetFaults(sqslocal.Fault{Effect: effect, Times: 1}))
			if err := b.trySend(url); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: %v", effect, err)
			}
			if s := b.state("q"); s.Visible != visible {
				t.Errorf("%s: %+v", effect, s)
			}
		}
	})
}

func TestFaultsPickTheirCalls(t *testing.T) {
	b := inProcess(t, sqslocal.Config{})
	one, two := b.queue("one", nil), b.queue("two", nil)
	b.must(b.srv.SetFaults(sqslocal.Fault{Name: "brief", Effect: sqslocal.Throttle, Action: "SendMessage", Queue: "one", After: 1, Times: 2}))
	var got []bool
	for range 5 {
		b.must(b.trySend(two))
		got = append(got, b.trySend(one) == nil)
	}
	if fmt.Sprint(got) != "[true false false true true]" {
		t.Errorf("calls: %v", got)
	}
	if n := b.srv.Faulted("brief"); n != 2 {
		t.Errorf("happened %d times", n)
	}
	if n := b.srv.Calls("SendMessage"); n != 10 {
		t.Errorf("%d calls", n)
	}
}

func TestSlowAnswersFollowTheirDistribution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{Seed: 3})
		url := b.queue("q", nil)
		b.must(b.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.Slow, Latency: sqslocal.Latency{P50: 100 * time.Millisecond, P99: time.Second}}))
		const n = 2000
		median, tail := 0, 0
		for range n {
			start := time.Now()
			b.must(b.trySend(url))
			if time.Since(start) > 100*time.Millisecond {
				median++
			}
			if time.Since(start) > time.Second {
				tail++
			}
		}
		if median < n*45/100 || median > n*55/100 || tail < n/250 || tail > n/50 {
			t.Errorf("of %d answers %d took longer than the median, %d longer than the 99th percentile", n, median, tail)
		}
	})
}

func TestPartialBatchesFailEntryByEntry(t *testing.T) {
	b := inProcess(t, sqslocal.Config{Seed: 11})
	url := b.queue("q", nil)
	b.must(b.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch", Probability: 0.5}))
	var entries []types.SendMessageBatchRequestEntry
	for i := range 10 {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String("x")})
	}
	out, err := b.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	b.must(err)
	if len(out.Failed) == 0 || len(out.Successful) == 0 || len(out.Failed)+len(out.Successful) != 10 {
		t.Fatalf("%d failed, %d successful", len(out.Failed), len(out.Successful))
	}
	if f := out.Failed[0]; f.SenderFault || *f.Code != "InternalError" {
		t.Errorf("failed with %s, sender's fault %v", *f.Code, f.SenderFault)
	}
	if s := b.state("q"); s.Visible != len(out.Successful) {
		t.Errorf("%+v", s)
	}
}

func TestDuplicatesAreDeliveredTwiceWithinTheirVisibility(t *testing.T) {
	b := inProcess(t, sqslocal.Config{})
	url := b.queue("q", nil)
	id := b.send(url, "x")
	b.must(b.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.Duplicate, Times: 1}))
	first, second := b.one(url, 0), b.one(url, 0)
	if *first.MessageId != id || *second.MessageId != id {
		t.Errorf("got %s and %s", *first.MessageId, *second.MessageId)
	}
	b.none(url, 0)
	b.must(b.remove(url, first)) // outdated: succeeds without effect
	if s := b.state("q"); s.InFlight != 1 {
		t.Errorf("%+v", s)
	}
	b.must(b.remove(url, second))
}

func TestCutPollsBreakWhileTheyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		b.must(b.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.CutPoll, Action: "ReceiveMessage", Times: 1, Latency: sqslocal.Latency{P50: 3 * time.Second}}))
		start := time.Now()
		r := <-b.background(t.Context(), url, 20)
		if !errors.Is(r.err, syscall.ECONNRESET) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", r.err, time.Since(start))
		}
		b.send(url, "x")
		b.one(url, 0)
	})
}

// The SDK's own retryer gets a caller through a profile: what a test of a consumer relies on.
func TestTheSDKGetsThroughTheFlakyProfile(t *testing.T) {
	flaky, err := sqslocal.Profile("flaky")
	if err != nil {
		t.Fatal(err)
	}
	b := overHTTP(t, sqslocal.Config{Seed: 5, Faults: flaky})
	url := b.queue("q", nil)
	b.client = b.srv.Client(func(o *awssqs.Options) {
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.Backoff, s.MaxAttempts = retry.BackoffDelayerFunc(noDelay), 10 })
	})
	const n = 300
	for range n {
		b.must(b.trySend(url))
	}
	if b.srv.Calls("SendMessage") <= n {
		t.Error("nothing failed")
	}
	if s := b.state("q"); s.Visible < n {
		t.Errorf("lost: %+v", s)
	}
}

func noDelay(int, error) (time.Duration, error) { return 0, nil }

func TestProfiles(t *testing.T) {
	for _, name := range []string{"slow", "flaky", "throttled", "partial", "duplicates", "cut-polls", "outage", "chaos"} {
		faults, err := sqslocal.Profile(name)
		if err != nil || len(faults) == 0 {
			t.Errorf("%s: %v, %v", name, faults, err)
		}
		b := inProcess(t, sqslocal.Config{})
		if err := b.srv.SetFaults(faults...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sqslocal.Profile("sunshine"); err == nil {
		t.Error("an unknown profile is accepted")
	}
}

func TestWrongFaultsAreRefused(t *testing.T) {
	b := inProcess(t, sqslocal.Config{})
	for _, f := range []sqslocal.Fault{
		{},
		{Effect: "explode"},
		{Effect: sqslocal.Slow, Probability: 1.1},
		{Effect: sqslocal.Slow, Probability: -0.1},
		{Effect: sqslocal.Slow, Action: "MakeCoffee"},
		{Effect: sqslocal.Slow, After: -1},
		{Effect: sqslocal.Slow, Latency: sqslocal.Latency{P50: -1}},
	} {
		if err := b.srv.SetFaults(f); err == nil {
			t.Errorf("accepted: %+v", f)
		}
		if _, err := sqslocal.New(sqslocal.Config{Faults: []sqslocal.Fault{f}}); err == nil {
			t.Errorf("accepted in the config: %+v", f)
		}
	}
}

func TestADisconnectedClientEndsItsPoll(t *testing.T) {
	b := overHTTP(t, sqslocal.Config{})
	url := b.queue("q", nil)
	ctx, cancel := context.WithCancel(t.Context())
	answer := b.background(ctx, url, 20)
	b.eventually("the poll waits", func() bool { return b.state("q").Polls == 1 })
	cancel()
	<-answer
	b.eventually("the poll has gone", func() bool { return b.state("q").Polls == 0 })
	b.send(url, "x")
	if m := b.one(url, 0); m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Error("the dead poll took the message")
	}
}

// eventually waits for something that a connection has to bring about.
func (b *bench) eventually(what string, is func() bool) {
	b.t.Helper()
	deadline := time.After(30 * time.Second)
	for tick := time.NewTicker(time.Millisecond); ; {
		select {
		case <-tick.C:
			if is() {
				tick.Stop()
				return
			}
		case <-deadline:
			b.t.Fatalf("never: %s", what)
		}
	}
}

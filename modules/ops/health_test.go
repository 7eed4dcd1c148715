package ops_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestAnOutageOfSQSFlipsReadinessAndNotLiveness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{}, consuming())
		wait(5 * time.Minute)
		d.wantCode("/readyz", 200, "ok")
		must(t, d.SQS.SetFaults(sqslocal.Fault{Effect: sqslocal.ServerError}))
		wait(50 * time.Second)
		d.wantCode("/readyz", 200, "ok")
		wait(20 * time.Second)
		d.wantCode("/readyz", 503, "queue work: SQS has not answered a receive for 1m")
		d.wantCode("/healthz", 503, "queue work: SQS has not answered")
		wait(10 * time.Minute)
		d.wantCode("/livez", 200, "ok")
		must(t, d.in.Consumer.Pause("work"))
		wait(20 * time.Second)
		d.wantCode("/readyz", 200, "ok")
		must(t, d.in.Consumer.Resume("work"))
		must(t, d.SQS.SetFaults())
		wait(20 * time.Second)
		d.wantCode("/readyz", 200, "ok")
	})
}

func TestDrainingFlipsReadinessAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		running := make(chan struct{})
		d := newDesk(t, ops.Config{}, consuming(), listener("slow", func(context.Context) error {
			close(running)
			<-release
			return nil
		}))
		d.Publish(Worked.New(work{N: 1}))
		<-running
		d.wantCode("/readyz", 200, "ok")
		stopped := make(chan error)
		go func() { d.SQS.EndPolls(); stopped <- d.Stop(context.Background()) }()
		synctest.Wait() // the consumer waits for its listener
		d.wantCode("/readyz", 503, "app: draining")
		d.wantCode("/livez", 200, "ok")
		close(release)
		must(t, <-stopped)
	})
}

// hungClient ignores its context in receives, as a broken transport would.
type hungClient struct {
	sqs.API
	hang chan struct{}
}

func (a *hungClient) ReceiveMessage(context.Context, *awssqs.ReceiveMessageInput, ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	<-a.hang
	return &awssqs.ReceiveMessageOutput{}, nil
}

func TestAWedgedPollLoopFlipsLiveness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		s := newPlain(t, ops.Config{}, func(api sqs.API) sqs.API { return &hungClient{api, hang} }).s
		look := func() answerOf { return do(s.Handler(), http.MethodGet, "/livez", "") }
		wait(89 * time.Second)
		if a := look(); a.code != 200 {
			t.Errorf("after 89s: %d %s", a.code, a.body)
		}
		wait(2 * time.Second)
		if a := look(); a.code != 503 || !strings.Contains(a.body, "polls of work: no receive has begun or ended for 1m31s") {
			t.Errorf("after 91s: %d %s", a.code, a.body)
		}
		close(hang)
		synctest.Wait()
		if a := look(); a.code != 200 {
			t.Errorf("after it went on: %d %s", a.code, a.body)
		}
	})
}

func TestAWedgedPoolFlipsLiveness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool, err := goroutine.NewPool(goroutine.Config{DisableAutoscaler: true, MaxWorkers: 1, StuckAfter: -1})
		must(t, err)
		must(t, pool.Start(t.Context()))
		s, err := ops.NewServer(ops.Config{Addr: "-", WedgedAfter: time.Minute})
		must(t, err)
		must(t, s.Connect(ops.Sources{Pool: pool}))
		look := func() answerOf { return do(s.Handler(), http.MethodGet, "/livez", "") }

		leave := make(chan struct{})
		hold := func(context.Context) error { <-leave; return nil }
		must(t, pool.Go(t.Context(), hold))
		if a := look(); a.code != 200 {
			t.Errorf("at work: %d %s", a.code, a.body)
		}
		wait(5 * time.Minute)
		if a := look(); a.code != 200 {
			t.Errorf("one long task, and nothing waits: %d %s", a.code, a.body)
		}
		must(t, pool.Go(t.Context(), hold))
		wait(59 * time.Second)
		if a := look(); a.code != 200 {
			t.Errorf("a task has waited 59s: %d %s", a.code, a.body)
		}
		wait(2 * time.Second)
		if a := look(); a.code != 503 || !strings.Contains(a.body, "pool: a task has waited for 1m1s and none has ended for") {
			t.Errorf("a task has waited 61s: %d %s", a.code, a.body)
		}
		close(leave)
		synctest.Wait()
		if a := look(); a.code != 200 {
			t.Errorf("after it went on: %d %s", a.code, a.body)
		}
		must(t, pool.Stop(context.Background()))
		must(t, s.Stop(context.Background()))
	})
}

func TestABusyPoolIsNotWedged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool, err := goroutine.NewPool(goroutine.Config{DisableAutoscaler: true, MaxWorkers: 1})
		must(t, err)
		must(t, pool.Start(t.Context()))
		s, err := ops.NewServer(ops.Config{Addr: "-", WedgedAfter: time.Minute})
		must(t, err)
		must(t, s.Connect(ops.Sources{Pool: pool}))
		for range 20 {
			must(t, pool.Go(t.Context(), func(context.Context) error { wait(50 * time.Second); return nil }))
		}
		for range 40 {
			wait(30 * time.Second)
			if a := do(s.Handler(), http.MethodGet, "/livez", ""); a.code != 200 {
				t.Fatalf("%d %s", a.code, a.body)
			}
		}
		must(t, pool.Stop(context.Background()))
		must(t, s.Stop(context.Background()))
	})
}

func TestProbesOfTheAppAreAskedInTimeWhateverTheyDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var asked atomic.Int32
		s, err := ops.NewServer(ops.Config{Addr: "-"})
		must(t, err)
		must(t, s.Connect(ops.Sources{Probes: []ops.Probe{
			{Name: "good", Check: func(context.Context) error { return nil }},
			{Name: "bad", Check: func(context.Context) error { return errors.New("no space left") }},
			{Name: "panics", Check: func(context.Context) error { panic("at the disco") }},
			{Name: "exits", Check: func(context.Context) error { runtime.Goexit(); return nil }},
			{Name: "obeys", Check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, Timeout: 100 * time.Millisecond},
			{Name: "hangs", Check: func(context.Context) error { asked.Add(1); <-hang; return nil }},
			{Name: "alive", Check: func(context.Context) error { return errors.New("disk is gone") }, Kind: ops.Liveness},
		}}))
		s.Ready()
		began := time.Now()
		a := do(s.Handler(), http.MethodGet, "/readyz", "")
		if took := time.Since(began); took > 800*time.Millisecond {
			t.Errorf("answered after %v, want the longest timeout at most", took)
		}
		if want := "bad: no space left\nexits: ended without an answer\nhangs: no answer for 800ms\nobeys: context deadline exceeded\npanics: panic: at the disco\n"; a.code != 503 || a.body != want {
			t.Errorf("%d %q, want %q", a.code, a.body, want)
		}
		if live := do(s.Handler(), http.MethodGet, "/livez", ""); live.code != 503 || live.body != "alive: disk is gone\n" {
			t.Errorf("/livez: %d %q", live.code, live.body)
		}
		wait(time.Minute)
		began = time.Now()
		a = do(s.Handler(), http.MethodGet, "/readyz", "")
		if !strings.Contains(a.body, "hangs: no answer for 1m0.8s") || time.Since(began) > 200*time.Millisecond || asked.Load() != 1 {
			t.Errorf("a probe that hangs is asked again or waited for: %q after %v, asked %d times", a.body, time.Since(began), asked.Load())
		}
		if err := s.Stop(context.Background()); err == nil || !strings.Contains(err.Error(), "it ignores its context") {
			t.Errorf("stopped with a probe that hangs: %v", err)
		}
		close(hang)
	})
}

func TestVerboseHealthIsJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{}, consuming())
		a := d.get("/healthz?verbose")
		if a.code != 200 || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", a.code, a.header)
		}
		for _, part := range []string{`"ok":true`, `"state":"serving"`, `{"name":"queue work","ok":true,"says":"polled"}`, `{"name":"pool","ok":true,"says":"moving"}`} {
			if !strings.Contains(a.body, part) {
				t.Errorf("%q is not in %s", part, a.body)
			}
		}
	})
}

// Worked is the event of most tests.
var Worked = events.NewTopic[work]("work.done")

type work struct {
	N int64 `json:"n"`
}

// listener adds one for Worked.
func listener(name string, handle func(ctx context.Context) error) fx.Option {
	return fx.Provide(events.AsListener(func() events.Listener {
		return Worked.Listener(name, func(ctx context.Context, _ events.Event[work]) error { return handle(ctx) })
	}))
}

package ops_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// overview is what tests read of api/overview.
type overview struct {
	App struct {
		State string
	}
	Queues []struct {
		Name, DeadLetter, DepthError string
		Paused                       bool
		Depth                        *struct{ Visible, InFlight, Delayed, DeadLetters int }
		Received, Acked, Retried     int64
		DeadLettered                 int64
		ReceivedPerSecond            float64
		AckedPerSecond               float64
		LastPollSeconds              float64
		RequestsPerMessage           float64
		DollarsPerMillion            float64
	}
	Pool      *struct{ Limit, Active int }
	Listeners []struct {
		Name, Pattern  string
		Runs, Failures int64
		Running        int
		Recent         int
		P50Seconds     float64
		P99Seconds     float64
		MaxSeconds     float64
		LastFailed     *struct{ Class, Error string }
	}
	Work struct {
		Messages, Runs int
		OldestSeconds  float64
		Items          []piece
	}
	Failures int64
	DB       *struct{ Error string }
	Outbox   *struct{ Pending, Parked int }
}

type piece struct {
	Queue, MessageID, Event, EventID string
	Receives                         int
	AgeSeconds                       float64
	LeaseSeconds                     *float64
	LeaseLost, Started               bool
	Listeners                        []struct {
		Listener string
		Seconds  float64
	}
}

func (d *desk) overview() overview {
	d.t.Helper()
	var o overview
	d.read("/api/overview", &o)
	return o
}

func (d *desk) read(path string, into any) {
	d.t.Helper()
	a := d.get(path)
	if a.code != 200 {
		d.t.Fatalf("GET %s: %d %s", path, a.code, a.body)
	}
	must(d.t, json.Unmarshal([]byte(a.body), into))
}

func TestTheOverviewTellsWhatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newDesk(t, ops.Config{}, consuming(),
			fx.Provide(events.AsListener(func() []events.Listener {
				return []events.Listener{
					Worked.Listener("slow", func(_ context.Context, e events.Event[work]) error {
						if e.Data.N == 0 {
							<-release
						}
						wait(100 * time.Millisecond)
						return nil
					}),
					events.On("work.*", "picky", func(_ context.Context, e events.Event[work]) error {
						if e.Data.N == 1 {
							return events.Permanent(errors.New("no such customer"))
						}
						return nil
					}),
					events.On("never.heard", "idle", func(context.Context, events.Any) error { return nil }),
				}
			})))
		for n := range int64(10) {
			d.Publish(Worked.New(work{N: n}))
		}
		wait(7 * time.Second)
		d.get("/api/overview") // somebody looks: depths are asked for
		wait(time.Second)
		o := d.overview()

		if o.App.State != "serving" || o.Pool == nil || o.Pool.Limit != 8 || o.DB != nil || o.Outbox != nil {
			t.Errorf("app %+v, pool %+v, db %v, outbox %v", o.App, o.Pool, o.DB, o.Outbox)
		}
		q := o.Queues[0]
		if len(o.Queues) != 1 || q.Name != "work" || q.DeadLetter != "work-dead" || q.Paused || q.Received != 10 || q.Acked != 9 ||
			q.DeadLettered != 1 || q.Retried != 0 || q.AckedPerSecond <= 0 || q.RequestsPerMessage <= 0 || q.DollarsPerMillion <= 0 {
			t.Errorf("queues: %+v", o.Queues)
		}
		if q.Depth == nil || q.Depth.InFlight != 1 || q.Depth.DeadLetters != 1 || q.Depth.Visible != 0 || q.DepthError != "" {
			t.Errorf("depth: %+v %s", q.Depth, q.DepthError)
		}
		if len(o.Listeners) != 3 || o.Listeners[0].Name != "idle" || o.Listeners[0].Pattern != "never.heard" || o.Listeners[0].Runs != 0 {
			t.Fatalf("listeners: %+v", o.Listeners)
		}
		picky, slow := o.Listeners[1], o.Listeners[2]
		if picky.Runs != 10 || picky.Failures != 1 || picky.LastFailed == nil || picky.LastFailed.Class != "permanent" || picky.LastFailed.Error != "no such customer" {
			t.Errorf("picky: %+v", picky)
		}
		if slow.Runs != 9 || slow.Running != 1 || slow.Failures != 0 || slow.Recent != 9 || slow.P50Seconds < 0.088 || slow.P50Seconds > 0.112 || slow.MaxSeconds != 0.1 {
			t.Errorf("slow: %+v, want durations of 100ms within 12%%", slow)
		}
		if w := o.Work; w.Messages != 1 || w.Runs != 1 || len(w.Items) != 1 || w.OldestSeconds < 7 {
			t.Fatalf("work: %+v", w)
		}
		item := o.Work.Items[0]
		if item.Queue != "work" || item.MessageID == "" || item.Event != "work.done" || item.Receives != 1 || item.AgeSeconds < 7 || !item.Started ||
			item.LeaseSeconds == nil || *item.LeaseSeconds < 10 || item.LeaseLost || len(item.Listeners) != 1 || item.Listeners[0].Listener != "slow" || item.Listeners[0].Seconds < 7 {
			t.Errorf("work: %+v", item)
		}
		close(release)
		d.WaitEmpty("work")
		wait(time.Second)
		if w := d.overview().Work; w.Messages != 0 || w.Runs != 0 || w.Items == nil {
			t.Errorf("work after the end: %+v", w)
		}
	})
}

func TestAnAppWithNothingHasAnOverviewToo(t *testing.T) {
	t.Parallel()
	s, err := ops.NewServer(ops.Config{Addr: "-"})
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	a := do(s.Handler(), http.MethodGet, "/api/overview", "")
	for _, part := range []string{`"queues":[]`, `"listeners":[]`, `"items":[]`, `"state":"starting"`} {
		if a.code != 200 || !strings.Contains(a.body, part) {
			t.Errorf("%d, %q is not in %s", a.code, part, a.body)
		}
	}
	for _, absent := range []string{`"pool"`, `"db"`, `"outbox"`, `"sent"`} {
		if strings.Contains(a.body, absent+":{") || strings.Contains(a.body, absent+":[") {
			t.Errorf("%s is shown and not there: %s", absent, a.body)
		}
	}
	for path, want := range map[string]string{
		"/api/contract": "no event bus", "/api/doctor": "consumes no queue", "/api/parked": "no outbox",
	} {
		if a := do(s.Handler(), http.MethodGet, path, ""); a.code != 404 || !strings.Contains(a.body, want) {
			t.Errorf("GET %s: %d %s", path, a.code, a.body)
		}
	}
	must(t, s.Stop(context.Background()))
}

func TestALostLeaseAndInProcessWorkAreShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newDesk(t, ops.Config{}, consuming(), listener("deaf", func(context.Context) error {
			<-release // it does not listen to its context
			return nil
		}))
		must(t, d.SQS.SetFaults(sqslocal.Fault{Effect: sqslocal.ServerError, Action: "ChangeMessageVisibilityBatch"}))
		d.Publish(Worked.New(work{N: 1}))
		wait(29 * time.Second)
		must(t, d.in.Consumer.Pause())
		future := d.in.Bus.DispatchAsync(context.Background(), Worked.New(work{N: 2}, events.WithID("here")))
		wait(2 * time.Second)
		o := d.overview()
		lost := slices.IndexFunc(o.Work.Items, func(p piece) bool { return p.LeaseLost })
		if lost < 0 || o.Work.Items[lost].Queue != "work" || o.Work.Items[lost].AgeSeconds < 29 {
			t.Errorf("the lost lease is not shown: %+v", o.Work.Items)
		}
		here := slices.ContainsFunc(o.Work.Items, func(p piece) bool { return p.EventID == "here" && p.Queue == "" && !p.LeaseLost })
		if !here {
			t.Errorf("the event of this process is not shown: %+v", o.Work.Items)
		}
		close(release)
		_, err := future.Await(t.Context())
		must(t, err)
		must(t, d.SQS.SetFaults())
		must(t, d.in.Consumer.Resume())
		d.WaitEmpty("work")
	})
}

func TestFailuresAreKeptWithoutTheirPayload(t *testing.T) {
	t.Parallel()
	for _, bodies := range []bool{false, true} {
		t.Run(fmt.Sprint("bodies ", bodies), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, ops.Config{Failures: 3, ShowBodies: bodies}, consuming(),
					fx.Provide(events.AsListener(func() events.Listener {
						return Worked.Listener("failing", func(ctx context.Context, e events.Event[work]) error {
							d, _ := sqs.DeliveryFrom(ctx)
							switch {
							case e.Data.N == large:
								panic("out of ideas")
							case e.Data.N == 2 && d.Receives == 2:
								runtime.Goexit()
							case e.Data.N == 2 && d.Receives == 3:
								return events.Skip(errors.New("not ours"))
							}
							return fmt.Errorf("attempt %d failed", d.Receives)
						})
					})))
				d.Publish(Worked.New(work{N: 2}, events.WithID("two")))
				d.WaitEmpty("work")
				d.Publish(Worked.New(work{N: large}, events.WithID("big")))
				d.WaitEmpty("work")
				var got struct {
					Total, Kept int
					Latest      []struct {
						Seq                                                           int
						Listener, Event, EventID, Class, Error, Stack, Queue, Payload string
						Attempt                                                       int
					}
				}
				d.read("/api/failures", &got)
				if got.Total != 5 || got.Kept != 3 || len(got.Latest) != 3 { // two of the first, three of the second
					t.Fatalf("%+v", got)
				}
				last := got.Latest[0]
				if last.Seq != 5 || last.Listener != "failing" || last.Event != "work.done" || last.EventID != "big" || last.Class != "panic" || last.Queue != "work" ||
					last.Attempt != 3 || !strings.Contains(last.Error, "out of ideas") || !strings.Contains(last.Stack, "api_test.go") {
					t.Errorf("%+v", last)
				}
				if want := map[bool]string{true: fmt.Sprintf(`{"n":%d}`, large)}[bodies]; last.Payload != want {
					t.Errorf("payload %q, want %q", last.Payload, want)
				}
			})
		})
	}
}

// large is not a float64.
const large = 1<<53 + 1

func TestHistoryTellsWhatWasBeforeThePageWasOpened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{}, consuming(), listener("worker", func(context.Context) error { return nil }))
		wait(12 * time.Second)
		for n := range int64(20) {
			d.Publish(Worked.New(work{N: n}))
		}
		wait(20 * time.Minute)
		var got struct {
			EverySeconds float64
			At           []time.Time
			Queues       map[string]struct{ Received, Acked []float64 }
			Pool         struct {
				Ended []float64
				Limit []int
			}
		}
		d.read("/api/history", &got)
		if got.EverySeconds != 5 || len(got.At) != 179 || len(got.Queues["work"].Acked) != 179 || len(got.Pool.Limit) != 179 {
			t.Errorf("every %v s, %d moments, %+v", got.EverySeconds, len(got.At), got.Queues["work"])
		}
		for n := range int64(20) {
			d.Publish(Worked.New(work{N: n}))
		}
		wait(5 * time.Second)
		d.read("/api/history", &got)
		acked := got.Queues["work"].Acked
		if sum := 5 * (acked[178] + acked[177]); sum < 19.9 || sum > 20.1 {
			t.Errorf("the last samples add up to %v messages, want 20: %v", sum, acked[170:])
		}
	})
}

func TestASlowSQSHangsNeitherPageNorProbeNorScrape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{}, consuming())
		must(t, d.SQS.SetFaults(sqslocal.Fault{Effect: sqslocal.Slow, Action: "GetQueueAttributes", Latency: sqslocal.Latency{P50: time.Hour}}))
		for path, most := range map[string]time.Duration{
			"/livez": 0, "/readyz": 0, "/healthz": 0, "/api/overview": 0, "/api/failures": 0, "/api/history": 0, "/": 0, "/metrics": time.Second,
		} {
			began := time.Now()
			if a := d.get(path); a.code != 200 || time.Since(began) > most {
				t.Errorf("GET %s: %d after %v, want %v at most", path, a.code, time.Since(began), most)
			}
		}
		wait(10 * time.Second)
		d.get("/api/overview")
		wait(lookTimeout)
		if q := d.overview().Queues[0]; q.Depth != nil || !strings.Contains(q.DepthError, "did not answer") {
			t.Errorf("depth %v, error %q", q.Depth, q.DepthError)
		}
		began := time.Now()
		if a := d.get("/api/doctor"); a.code != 200 || !strings.Contains(a.body, "cannot be read") || time.Since(began) > 21*time.Second {
			t.Errorf("doctor: %d %s after %v", a.code, a.body, time.Since(began))
		}
		before := d.SQS.Calls("GetQueueAttributes")
		wait(time.Hour)
		if calls := d.SQS.Calls("GetQueueAttributes") - before; calls > 0 {
			t.Errorf("%d calls while nobody looks", calls)
		}
	})
}

// lookTimeout is a little more than a look may take.
const lookTimeout = 6 * time.Second

func TestDepthIsAskedForAtMostOncePerInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{LookInterval: 10 * time.Second}, consuming())
		before := d.SQS.Calls("GetQueueAttributes")
		for range 100 {
			d.get("/api/overview")
			d.get("/metrics")
			wait(time.Second)
		}
		if calls := d.SQS.Calls("GetQueueAttributes") - before; calls != 20 {
			t.Errorf("%d requests in 100 s for a queue and its dead letters, want 2 each 10 s", calls)
		}
	})
}

func TestStreamRepeatsTheOverviewAndEndsWithTheServer(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ops.Config{Addr: "127.0.0.1:0"}, consuming())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.s.Addr()+"/api/stream", nil)
	must(t, err)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	r, err := client.Do(request)
	must(t, err)
	defer r.Body.Close() //nolint:errcheck // read to its end below
	if kind := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%d %s", r.StatusCode, kind)
	}
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	pictures := 0
	for pictures < 2 && lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var o overview
			must(t, json.Unmarshal([]byte(text), &o))
			if o.Queues[0].Name != "work" {
				t.Errorf("stream: %+v", o)
			}
			pictures++
		}
	}
	began := time.Now()
	must(t, d.s.Stop(context.Background()))
	for lines.Scan() {
		pictures++ // until the server ends it
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the stream ended %v after the stop began", took)
	}
}

func TestStreamsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{}, consuming())
		ended := make(chan answerOf)
		for range 32 {
			go func() { ended <- d.get("/api/stream") }()
		}
		synctest.Wait()
		if a := d.get("/api/stream"); a.code != 503 || !strings.Contains(a.body, "ask for api/overview instead") {
			t.Errorf("the 33rd stream: %d %s", a.code, a.body)
		}
		wait(3 * time.Second)
		must(t, d.s.Stop(context.Background()))
		for range 32 {
			if a := <-ended; strings.Count(a.body, "data: ") < 3 {
				t.Errorf("a stream of three seconds: %d pictures", strings.Count(a.body, "data: "))
			}
		}
	})
}

func TestContractAndDoctor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{}, consuming(), listener("worker", func(context.Context) error { return nil }))
		var contract events.Contract
		d.read("/api/contract", &contract)
		if len(contract.Events) != 1 || contract.Events[0].Name != "work.done" || contract.Events[0].Listeners[0].Name != "worker" {
			t.Errorf("%+v", contract)
		}
		var report struct {
			Findings []struct{ Queue, Severity, Problem, Mend string }
		}
		d.read("/api/doctor", &report)
		if len(report.Findings) != 1 || report.Findings[0].Queue != "work" || report.Findings[0].Mend == "" || report.Findings[0].Severity != "warning" {
			t.Errorf("%+v", report) // the dead-letter queue of the test kit has the queue's own retention
		}
		before := d.SQS.Calls("GetQueueAttributes")
		d.read("/api/doctor", &report)
		if d.SQS.Calls("GetQueueAttributes") != before {
			t.Error("a report of this very moment is made anew")
		}
	})
}

func TestTheShapeOfTheAPIIsStable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newDesk(t, ops.Config{ShowBodies: true, Writable: true, Middleware: func(h http.Handler) http.Handler { return h }}, consuming(),
			repository.Module, repository.OutboxTo[*sqs.Publisher](),
			fx.Provide(events.AsListener(func() events.Listener {
				return Worked.Listener("worker", func(_ context.Context, e events.Event[work]) error {
					if e.Data.N == 0 {
						return events.Permanent(errors.New("no"))
					}
					<-release
					return nil
				})
			})))
		d.Publish(Worked.New(work{N: 0}), Worked.New(work{N: 1}))
		wait(20 * time.Second)
		d.get("/api/overview")
		wait(5 * time.Second)
		shapes := map[string]bool{}
		for _, path := range []string{"overview", "history", "failures", "contract", "doctor", "parked"} {
			addShape(t, shapes, path, d.get("/api/"+path))
		}
		addShape(t, shapes, "peek", d.post("/api/queues/work/peek", ""))
		addShape(t, shapes, "pause", d.post("/api/queues/work/pause", ""))
		addShape(t, shapes, "healthz", d.get("/healthz?verbose"))
		close(release)

		lines := []string{}
		for line := range shapes {
			lines = append(lines, line)
		}
		slices.Sort(lines)
		got := strings.Join(lines, "\n") + "\n"
		golden := filepath.Join("testdata", "api.golden")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			must(t, os.WriteFile(golden, []byte(got), 0o600))
		}
		want, err := os.ReadFile(golden)
		must(t, err)
		if got != string(want) {
			t.Errorf("the API has changed: if that is meant, run with UPDATE_GOLDEN=1\n%s", difference(string(want), got))
		}
	})
}

// addShape notes each field of an answer with its type.
func addShape(t *testing.T, shapes map[string]bool, path string, a answerOf) {
	t.Helper()
	if a.code != 200 {
		t.Fatalf("%s: %d %s", path, a.code, a.body)
	}
	var v any
	must(t, json.Unmarshal([]byte(a.body), &v))
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, field := range v {
				if strings.HasSuffix(at, "schema") {
					return // the event's own
				}
				walk(at+"."+name, field)
			}
		case []any:
			for _, e := range v {
				walk(at+"[]", e)
			}
			if len(v) == 0 {
				shapes[at+"[]"] = true
			}
		default:
			shapes[fmt.Sprintf("%s %T", at, v)] = true
		}
	}
	walk(path, v)
}

func difference(want, got string) string {
	var lines []string
	for line := range strings.Lines(want) {
		if !strings.Contains(got, line) {
			lines = append(lines, "- "+line)
		}
	}
	for line := range strings.Lines(got) {
		if !strings.Contains(want, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return strings.Join(lines, "")
}

package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
)

// newWritable is a desk with dead letters: events with N from 0 to n-1 that failed for good. From the
// second return on they succeed.
func newWritable(t *testing.T, cfg ops.Config, n int64, opts ...fx.Option) (d *desk, mended *atomic.Bool, logs *observer.ObservedLogs) {
	t.Helper()
	mended = new(atomic.Bool)
	core, logs := observer.New(zap.InfoLevel)
	cfg.Token, cfg.Writable = token, true
	d = newDesk(t, cfg, append(opts, consuming(), fx.Supply(zap.New(core)),
		listener("worker", func(context.Context) error {
			if !mended.Load() {
				return events.Permanent(errors.New("no such customer"))
			}
			return nil
		}))...)
	for i := range n {
		d.Publish(Worked.New(work{N: large + i}, events.WithID(fmt.Sprintf("event-%d", i))))
	}
	d.WaitEmpty("work")
	return d, mended, logs
}

// sample is an answer of peek.
type sample struct {
	Queue  string
	Sample []struct {
		ID, Event, EventID, Reason, Source, Body string
		Receives, Bytes                          int
		Attributes                               map[string]string
	}
}

func (d *desk) peek(body string) sample {
	d.t.Helper()
	a := d.post("/api/queues/work/peek", body)
	var s sample
	if a.code != 200 || json.Unmarshal([]byte(a.body), &s) != nil {
		d.t.Fatalf("peek: %d %s", a.code, a.body)
	}
	return s
}

func (d *desk) wantPost(path, body string, code int, says string) {
	d.t.Helper()
	if a := d.post(path, body); a.code != code || !strings.Contains(a.body, says) {
		d.t.Errorf("POST %s %s: %d %s, want %d with %q", path, body, a.code, a.body, code, says)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _, logs := newWritable(t, ops.Config{}, 0)
		paused := func() bool { return d.in.Consumer.Stats().Queues[0].Paused }
		for _, where := range []string{"/api/queues/work", "/api"} {
			d.wantPost(where+"/pause", "", 200, "paused")
			if !paused() {
				t.Errorf("%s/pause does not pause", where)
			}
			d.wantPost(where+"/resume", "", 200, "resumed")
			if paused() {
				t.Errorf("%s/resume does not resume", where)
			}
		}
		d.wantPost("/api/queues/other/pause", "", 404, `queue \"other\" is not consumed here`)
		if acts := logs.FilterMessage("operator acted").Len(); acts != 4 {
			t.Errorf("%d acts are logged, want 4", acts)
		}
	})
}

func TestPeekIsASampleWithoutBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _, _ := newWritable(t, ops.Config{}, 3)
		got := d.peek("")
		if got.Queue != "work-dead" || len(got.Sample) != 3 {
			t.Fatalf("%+v", got)
		}
		m := got.Sample[0]
		if m.ID == "" || m.Event != "work.done" || !strings.HasPrefix(m.EventID, "event-") || m.Source != "work" || m.Receives != 1 || m.Bytes == 0 ||
			!strings.Contains(m.Reason, "no such customer") {
			t.Errorf("%+v", m)
		}
		if a := d.post("/api/queues/work/peek", ""); strings.Contains(a.body, fmt.Sprint(large)) || strings.Contains(a.body, `"body"`) {
			t.Errorf("a body is shown: %s", a.body)
		}
		if s := d.peek(`{"n":1}`); len(s.Sample) != 1 {
			t.Errorf("%d messages, want 1", len(s.Sample))
		}
		d.wantPost("/api/queues/work/peek", `{"n":0}`, 400, "ask for 1 to 50")
		d.wantPost("/api/queues/work/peek", `{"n":51}`, 400, "ask for 1 to 50")
		d.wantPost("/api/queues/work/peek", `{"m":1}`, 400, `unknown field`)
		d.wantPost("/api/queues/work-dead/peek", "", 404, "not consumed here")
	})
}

func TestBodiesAreShownToTheLastDigitIfConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _, _ := newWritable(t, ops.Config{ShowBodies: true}, 1)
		if m := d.peek("").Sample[0]; !strings.Contains(m.Body, fmt.Sprintf(`"n":%d`, large)) {
			t.Errorf("body %s, want %d in it", m.Body, large)
		}
	})
}

func TestRedriveOfChosenMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, mended, logs := newWritable(t, ops.Config{}, 5)
		chosen := d.peek("").Sample[1:3]
		mended.Store(true)
		d.wantPost("/api/queues/work/redrive", fmt.Sprintf(`{"ids":[%q,%q]}`, chosen[0].ID, chosen[1].ID), 200, "redrove 2 messages")
		d.WaitEmpty("work")
		done := map[string]bool{}
		for _, r := range d.Events.Wait("worker", 2) {
			done[r.Event.ID] = true
		}
		if len(done) != 2 || !done[chosen[0].EventID] || !done[chosen[1].EventID] || d.DeadLetters("work") != 3 {
			t.Errorf("ran %v, %d dead letters left", done, d.DeadLetters("work"))
		}
		d.wantPost("/api/queues/work/redrive", `{"ids":["nobody"]}`, 502, "was not found")
		if act := logs.FilterMessage("operator acted").All()[0].ContextMap(); act["queue"] != "work" || act["remote"] == "" {
			t.Errorf("logged: %v", act)
		}
	})
}

func TestRedriveOfAllMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, mended, _ := newWritable(t, ops.Config{}, 30)
		mended.Store(true)
		d.wantPost("/api/queues/work/redrive", `{"all":true,"to":"work"}`, 200, "begun")
		d.Events.Wait("worker", 30)
		eventually(t, "no dead letters", func() bool { return d.DeadLetters("work") == 0 })
		for body, says := range map[string]string{
			"":                          `say either`,
			`{"all":true,"ids":["x"]}`:  `say either`,
			`{"all":true,"to":"other"}`: `name \"work\"`,
			`{"ids":"x"}`:               `body: `,
			`{`:                         `body: `,
		} {
			d.wantPost("/api/queues/work/redrive", body, 400, says)
		}
	})
}

func TestPurgeWantsTheNameOfTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _, _ := newWritable(t, ops.Config{}, 5)
		for _, body := range []string{"", `{}`, `{"confirm":""}`, `{"confirm":"work"}`, `{"confirm":"WORK-DEAD"}`} {
			d.wantPost("/api/queues/work/purge", body, 400, `deletes every message of \"work-dead\" for ever`)
		}
		if n := d.DeadLetters("work"); n != 5 {
			t.Fatalf("%d dead letters left", n)
		}
		d.wantPost("/api/queues/work/purge", `{"confirm":"work-dead"}`, 200, "purged work-dead")
		wait(time.Minute)
		if n := d.DeadLetters("work"); n != 0 {
			t.Errorf("%d dead letters left", n)
		}
	})
}

func TestAQueueWithoutDeadLettersSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlain(t, ops.Config{Token: token, Writable: true}, func(api sqs.API) sqs.API { return api })
		for _, action := range []string{"peek", "redrive", "purge"} {
			a := do(p.s.Handler(), http.MethodPost, "/api/queues/work/"+action, "", "Authorization", "Bearer "+token)
			if a.code != 404 || !strings.Contains(a.body, "has no dead-letter queue: give it one with a redrive policy") {
				t.Errorf("%s: %d %s", action, a.code, a.body)
			}
		}
	})
}

func TestParkedEventsAreShownAndRequeued(t *testing.T) {
	t.Parallel()
	to := &refusing{}
	d := newDesk(t, ops.Config{Token: token, Writable: true}, repository.Module, repository.OutboxTo[*refusing](),
		fx.Supply(to, repository.OutboxConfig{MaxFaults: 1, Poll: 5 * time.Millisecond}),
		fx.Populate(&to.outbox))
	must(t, to.outbox.Publish(t.Context(), Worked.New(work{N: 1}, events.WithID("one"))))
	var got struct {
		Parked []struct{ ID, Event, EventID, LastError string }
	}
	look := func() int {
		a := do(d.s.Handler(), http.MethodGet, "/api/parked", "", "Authorization", "Bearer "+token)
		if a.code != 200 || json.Unmarshal([]byte(a.body), &got) != nil {
			t.Fatalf("%d %s", a.code, a.body)
		}
		return len(got.Parked)
	}
	eventually(t, "a parked event", func() bool { return look() == 1 })
	parked := got.Parked[0]
	if parked.Event != "work.done" || parked.EventID != "one" || !strings.Contains(parked.LastError, "too large") {
		t.Errorf("%+v", parked)
	}
	to.mended.Store(true)
	d.wantPost("/api/parked/requeue", `{"ids":["one"]}`, 400, `\"one\" is not the id of a parked event`)
	d.wantPost("/api/parked/requeue", fmt.Sprintf(`{"ids":[%q]}`, parked.ID), 200, "requeued 1 event")
	eventually(t, "the event published", func() bool { return to.published.Load() == 1 && look() == 0 })
}

// refusing is a publisher that takes nothing until it is mended.
type refusing struct {
	outbox    *repository.Outbox
	mended    atomic.Bool
	published atomic.Int32
}

func (r *refusing) Publish(context.Context, ...events.Any) error {
	if !r.mended.Load() {
		return events.Permanent(errors.New("too large"))
	}
	r.published.Add(1)
	return nil
}

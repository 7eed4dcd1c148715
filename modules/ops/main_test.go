package ops_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/fxtest"
	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a live app with its ops server.
type desk struct {
	*fxtest.App
	t  *testing.T
	s  *ops.Server
	in struct {
		fx.In
		Server    *ops.Server
		Bus       *events.Bus
		Pool      *goroutine.Pool
		Consumer  *sqs.Consumer
		Publisher *sqs.Publisher
	}
}

// token is what tests write with.
const token = "a-token-of-the-tests"

// newDesk starts an app with queue "work" on an SQS of its own. Without sockets it runs in a bubble too.
func newDesk(t *testing.T, cfg ops.Config, opts ...fx.Option) *desk {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "-"
	}
	d := &desk{t: t}
	d.App = fxtest.New(t, append([]fx.Option{
		goroutine.Module, events.Module, sqs.Module, ops.Module,
		fx.Supply(cfg, goroutine.Config{DisableAutoscaler: true, MaxWorkers: 8}),
		fx.Populate(&d.in),
	}, opts...)...)
	d.s = d.in.Server
	return d
}

// consuming is the queue of most tests.
func consuming(queues ...sqs.Queue) fx.Option {
	if len(queues) == 0 {
		queues = []sqs.Queue{{Name: "work", Retry: sqs.Backoff{Min: -1}}}
	}
	return fx.Supply(sqs.Config{Queues: queues, Doctor: sqs.DoctorOff})
}

// answerOf is a response that was read.
type answerOf struct {
	code   int
	body   string
	header http.Header
}

// do asks a handler without a socket. Headers come in pairs.
func do(h http.Handler, method, path, body string, headers ...string) answerOf {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, in)
	r.Host = "localhost:9464"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answerOf{w.Code, w.Body.String(), w.Result().Header}
}

func (d *desk) get(path string) answerOf { return do(d.s.Handler(), http.MethodGet, path, "") }

// post writes with the token.
func (d *desk) post(path, body string) answerOf {
	return do(d.s.Handler(), http.MethodPost, path, body, "Authorization", "Bearer "+token)
}

func (d *desk) wantCode(path string, code int, says string) {
	d.t.Helper()
	if a := d.get(path); a.code != code || !strings.Contains(a.body, says) {
		d.t.Errorf("GET %s: %d %q, want %d with %q", path, a.code, a.body, code, says)
	}
}

// plain is a server and what it shows without Fx: one queue, "work", without a dead-letter queue.
type plain struct {
	s        *ops.Server
	consumer *sqs.Consumer
}

func newPlain(t *testing.T, cfg ops.Config, api func(sqs.API) sqs.API) *plain {
	t.Helper()
	cfg.Addr = "-"
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	_, err = srv.CreateQueue("work", nil)
	must(t, err)
	s, err := ops.NewServer(cfg)
	must(t, err)
	pool, err := goroutine.NewPool(goroutine.Config{DisableAutoscaler: true}, goroutine.WithMeterProvider(s.MeterProvider()))
	must(t, err)
	bus, err := events.NewBus(events.Config{}, pool, nil, events.WithMiddleware(s.Middleware()), events.WithMeterProvider(s.MeterProvider()))
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	consumer, err := sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: "work"}}, Doctor: sqs.DoctorOff}, api(srv.Client()), pool, bus, decoder,
		sqs.WithMeterProvider(s.MeterProvider()))
	must(t, err)
	must(t, s.Connect(ops.Sources{Pool: pool, Bus: bus, Consumer: consumer, Admin: sqs.NewAdmin(srv.Client())}))
	must(t, s.Start(t.Context()))
	must(t, pool.Start(t.Context()))
	must(t, consumer.Start(t.Context()))
	s.Ready()
	t.Cleanup(func() {
		s.Drain()
		srv.EndPolls()
		must(t, consumer.Stop(context.Background()))
		must(t, pool.Stop(context.Background()))
		must(t, s.Stop(context.Background()))
		must(t, srv.Close())
	})
	return &plain{s, consumer}
}

// wait lets time pass, in a bubble.
func wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// eventually looks until ok, for a minute at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("waited a minute for: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package ops_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/fxtest"
	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestModuleAloneServesWithoutConfig(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	var s *ops.Server
	app := uberfxtest.New(t, ops.Module, fx.Supply(zap.New(core)), fx.Populate(&s))
	app.RequireStart()
	defer app.RequireStop()
	if s.Addr() != "127.0.0.1:9464" {
		t.Errorf("listening on %q", s.Addr())
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 200, "/metrics": 200, "/": 200, "/api/overview": 200, "/nowhere": 404} {
		r, err := http.Get("http://" + s.Addr() + path)
		must(t, err)
		must(t, r.Body.Close())
		if r.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, r.StatusCode, want)
		}
	}
	if logged := logs.FilterMessage("ops server started").All(); len(logged) != 1 || !strings.Contains(fmt.Sprint(logged[0].ContextMap()), "http://127.0.0.1:9464/") {
		t.Errorf("logged at start: %v", logged)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestBadConfigNamesFieldValueAndMend(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg  ops.Config
		want []string
	}{
		"no port":              {ops.Config{Addr: "localhost"}, []string{`ops.Config.Addr is "localhost"`, "write host:port"}},
		"empty port":           {ops.Config{Addr: "localhost:"}, []string{`ops.Config.Addr is "localhost:"`, "0 takes a free one"}},
		"open to the world":    {ops.Config{Addr: ":9464"}, []string{`ops.Config.Addr is ":9464"`, "set Token or Middleware, or DisablePage"}},
		"open to a network":    {ops.Config{Addr: "10.0.0.1:9464"}, []string{"other machines reach it"}},
		"short token":          {ops.Config{Token: "secret-of-15-ch"}, []string{"ops.Config.Token is too short", "16 random characters"}},
		"writable, no token":   {ops.Config{Writable: true}, []string{"ops.Config.Writable is true", "set Token, or Middleware"}},
		"writable, no page":    {ops.Config{Writable: true, Token: token, DisablePage: true}, []string{"DisablePage leaves nothing"}},
		"relative base":        {ops.Config{BasePath: "ops"}, []string{`ops.Config.BasePath is "ops"`, "begins with a slash"}},
		"pattern as base":      {ops.Config{BasePath: "/{x}"}, []string{"ops.Config.BasePath"}},
		"negative failures":    {ops.Config{Failures: -2}, []string{"ops.Config.Failures is -2", "-1 for off"}},
		"hasty looks":          {ops.Config{LookInterval: time.Millisecond}, []string{"ops.Config.LookInterval is 1ms", "use 1s or more"}},
		"negative patience":    {ops.Config{WedgedAfter: -time.Second}, []string{"ops.Config.WedgedAfter is -1s"}},
		"negative stop budget": {ops.Config{ShutdownTimeout: -1}, []string{"ops.Config.ShutdownTimeout is -1ns", "use 0 for the default"}},
		"two at once":          {ops.Config{Failures: -2, BasePath: "ops"}, []string{"Failures", "BasePath"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ops.NewServer(test.cfg)
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q in it", err, part)
				}
			}
			if err != nil && test.cfg.Token != "" && strings.Contains(err.Error(), test.cfg.Token) {
				t.Error("the error shows the token")
			}
		})
	}
}

func TestATokenNeverReachesTheLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	s, err := ops.NewServer(ops.Config{Addr: "127.0.0.1:0", Token: token}, ops.WithLogger(zap.New(core)))
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	must(t, s.Start(t.Context()))
	must(t, s.Stop(context.Background()))
	for _, entry := range logs.All() {
		if strings.Contains(fmt.Sprint(entry.ContextMap(), entry.Message), token) {
			t.Errorf("logged: %v %v", entry.Message, entry.ContextMap())
		}
	}
}

func TestATakenPortIsAClearError(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close() //nolint:errcheck // nothing was sent
	s, err := ops.NewServer(ops.Config{Addr: taken.Addr().String()})
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	err = s.Start(t.Context())
	for _, part := range []string{"ops.Config.Addr", taken.Addr().String(), "address already in use", "choose an address of this machine and a free port"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
	must(t, s.Stop(context.Background()))
}

func TestStopWithoutStartAndTwiceDoesNothing(t *testing.T) {
	t.Parallel()
	s, err := ops.NewServer(ops.Config{Addr: "127.0.0.1:0"})
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	must(t, s.Stop(context.Background()))
	must(t, s.Stop(context.Background()))
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "was stopped") {
		t.Errorf("start after stop: %v", err)
	}
}

func TestStopCallsOffWhatTakesLong(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ops.Config{Addr: "127.0.0.1:0"}, consuming())
	must(t, d.SQS.SetFaults(sqslocal.Fault{Name: "slow", Effect: sqslocal.Slow, Action: "GetQueueUrl", Latency: sqslocal.Latency{P50: time.Hour}}))
	answered := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	go func() {
		defer close(answered)
		if r, err := client.Get("http://" + d.s.Addr() + "/api/doctor"); err == nil {
			_ = r.Body.Close() // whether it was answered or cut off is not the point
		}
	}()
	eventually(t, "the doctor at work", func() bool { return d.SQS.Faulted("slow") > 0 })
	must(t, d.s.Stop(context.Background())) // or the doctor would take his 20 s
	<-answered
	must(t, d.SQS.SetFaults())
}

// order notes when hooks run.
type order struct{ seen []string }

func (o *order) hook(name string, look func() string) fx.Hook {
	return fx.Hook{
		OnStart: func(context.Context) error { o.seen = append(o.seen, "start "+name+": "+look()); return nil },
		OnStop:  func(context.Context) error { o.seen = append(o.seen, "stop "+name+": "+look()); return nil },
	}
}

func TestProbesOutliveEverythingAndReadinessFallsFirst(t *testing.T) {
	t.Parallel()
	ready := func(s *ops.Server) string {
		r, err := http.Get("http://" + s.Addr() + "/readyz")
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close() //nolint:errcheck // only the code counts
		live, err := http.Get("http://" + s.Addr() + "/livez")
		if err != nil {
			return err.Error()
		}
		defer live.Body.Close() //nolint:errcheck // only the code counts
		return fmt.Sprint("live ", live.StatusCode, " ready ", r.StatusCode)
	}
	for name, modules := range map[string]fx.Option{
		"ops first": fx.Options(ops.Module, goroutine.Module, events.Module, sqs.Module),
		"ops last":  fx.Options(goroutine.Module, events.Module, sqs.Module, ops.Module),
		"own meters": fx.Options(goroutine.Module, events.Module, sqs.Module, ops.Module,
			fx.Provide(func() metric.MeterProvider { return sdkmetric.NewMeterProvider() })),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o order
			var s *ops.Server // what depends on it would be made after it in any case
			app := fxtest.New(t, modules, fx.Supply(ops.Config{Addr: "127.0.0.1:0"}), consuming(),
				// The pool is made before bus and consumer: its neighbour stops after both have drained.
				fx.Populate(&s),
				fx.Decorate(func(lc fx.Lifecycle, p *goroutine.Pool) *goroutine.Pool {
					lc.Append(o.hook("pool", func() string { return ready(s) }))
					return p
				}),
				fx.Invoke(func(*sqs.Consumer) {}),
			)
			app.SQS.EndPolls()
			must(t, app.Stop(context.Background()))
			http.DefaultClient.CloseIdleConnections()
			want := []string{"start pool: live 200 ready 503", "stop pool: live 200 ready 503"}
			if !slices.Equal(o.seen, want) {
				t.Errorf("seen: %q, want %q", o.seen, want)
			}
		})
	}
}

func TestProbesAreThoseOfTheGroup(t *testing.T) {
	t.Parallel()
	var s *ops.Server
	app := uberfxtest.New(t, ops.Module, repository.Module, fx.Supply(ops.Config{Addr: "-"}), fx.Populate(&s),
		fx.Provide(ops.AsProbe(func(db *repository.DB) ops.Probe { return ops.Probe{Name: "database", Check: db.Ping} })))
	app.RequireStart()
	defer app.RequireStop()
	if a := do(s.Handler(), http.MethodGet, "/healthz?verbose", ""); a.code != 200 || !strings.Contains(a.body, `{"name":"database","ok":true,"says":"ok"}`) {
		t.Errorf("%d %s", a.code, a.body)
	}
}

func TestBadProbesFailTheStart(t *testing.T) {
	t.Parallel()
	check := func(context.Context) error { return nil }
	for want, probes := range map[string][]ops.Probe{
		"ops.Probe.Name is empty":                                {{Check: check}},
		`ops.Probe.Name is "a" twice`:                            {{Name: "a", Check: check}, {Name: "a", Check: check}},
		`ops.Probe.Check of "a" is nil`:                          {{Name: "a"}},
		`ops.Probe.Kind of "a" is "startup": use ops.Liveness`:   {{Name: "a", Check: check, Kind: "startup"}},
		`ops.Probe.Timeout of "a" is -1s: it cannot be negative`: {{Name: "a", Check: check, Timeout: -time.Second}},
	} {
		s, err := ops.NewServer(ops.Config{})
		must(t, err)
		if err := s.Connect(ops.Sources{Probes: probes}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		must(t, s.Stop(context.Background()))
	}
}

func TestMetricsOfAnAppWithItsOwnProvider(t *testing.T) {
	t.Parallel()
	scrape := func(show bool) answerOf {
		registry := prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector())
		opts := []fx.Option{fx.Provide(func() (metric.MeterProvider, error) {
			exporter, err := otelprom.New(otelprom.WithRegisterer(registry))
			return sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)), err
		})}
		if show {
			opts = append(opts, fx.Supply(registry))
		}
		var s *ops.Server
		app := uberfxtest.New(t, append(opts, goroutine.Module, ops.Module, fx.Supply(ops.Config{Addr: "-"}), fx.Populate(&s))...)
		app.RequireStart()
		defer app.RequireStop()
		return do(s.Handler(), http.MethodGet, "/metrics", "")
	}
	if a := scrape(false); a.code != 404 || !strings.Contains(a.body, "Supply its *prometheus.Registry") {
		t.Errorf("without its registry: %d %s", a.code, a.body)
	}
	a := scrape(true)
	if a.code != 200 || strings.Count(a.body, "# TYPE fxpond_pool_limit gauge") != 1 || !strings.Contains(a.body, "go_goroutines") {
		t.Errorf("with its registry: %d %s", a.code, a.body)
	}
}

func TestMetricsOfARegistryBesideOurs(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	mine := prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."})
	registry.MustRegister(mine, collectors.NewGoCollector())
	mine.Add(7)
	var s *ops.Server
	app := uberfxtest.New(t, goroutine.Module, ops.Module, fx.Supply(ops.Config{Addr: "-"}, registry), fx.Populate(&s))
	app.RequireStart()
	defer app.RequireStop()
	a := do(s.Handler(), http.MethodGet, "/metrics", "")
	if a.code != 200 || !strings.Contains(a.body, "orders_total 7") || !strings.Contains(a.body, "fxpond_pool_limit") ||
		strings.Count(a.body, "# TYPE go_goroutines gauge") != 1 {
		t.Errorf("%d %s", a.code, a.body)
	}
}

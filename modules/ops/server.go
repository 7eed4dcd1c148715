package ops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
)

// Server serves probes, metrics, the ops page and its API. It begins as starting, is ready after Ready,
// and not ready any more after Drain. Its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	log     *zap.Logger
	began   time.Time
	handler http.Handler

	registry     *prometheus.Registry
	provider     *sdkmetric.MeterProvider
	gatherer     prometheus.Gatherer // nil when the app's own provider has none
	registration metric.Registration

	src     Sources
	probes  []*probe
	runs    *runs
	look    *look
	history *history
	pulse   pulse
	shot    shot
	doctor  doctor

	phase   atomic.Int32
	streams atomic.Int32 // open ones

	base     context.Context // of all work that outlives a request; ends in Stop
	end      context.CancelFunc
	stopping chan struct{} // closed when Stop begins: ends streams
	crew     crew

	mu      sync.Mutex
	started bool
	stopped bool
	http    *http.Server
	addr    string
}

// The phases of a server.
const (
	starting int32 = iota
	serving
	draining
)

// Sources are what a server shows. Whatever is nil is not shown.
type Sources struct {
	Pool      *goroutine.Pool
	Bus       *events.Bus
	Decoder   *events.Decoder // names the events of dead letters
	Consumer  *sqs.Consumer
	Publisher *sqs.Publisher
	Admin     *sqs.Admin
	DB        *repository.DB
	Outbox    *repository.Outbox
	Probes    []Probe

	// Meters is where the app's metrics go, if not to Server.MeterProvider: /metrics then serves only
	// what Registry has.
	Meters metric.MeterProvider
	// Registry is the app's own; /metrics serves its metrics beside ours.
	Registry *prometheus.Registry
}

// Option hands a collaborator to [NewServer].
type Option func(*Server)

// WithLogger sets the logger. Default: none.
func WithLogger(log *zap.Logger) Option {
	return func(s *Server) {
		if log != nil {
			s.log = log.Named("ops")
		}
	}
}

// NewServer makes a server that shows nothing until [Server.Connect]. It comes first, so that what it
// will show can be made with its MeterProvider and its Middleware. A Config that cannot work is an error
// that names every problem.
func NewServer(cfg Config, opts ...Option) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: zap.NewNop(), began: time.Now(), stopping: make(chan struct{})}
	for _, opt := range opts {
		opt(s)
	}
	s.base, s.end = context.WithCancel(context.Background())
	if err := s.newMeters(); err != nil {
		return nil, err
	}
	s.runs = newRuns(cfg)
	s.look = &look{s: s}
	s.history = &history{s: s}
	s.handler = s.routes()
	return s, nil
}

// Connect tells the server what to show, once, before Start and before any request.
func (s *Server) Connect(src Sources) error {
	probes, err := newProbes(src.Probes)
	if err != nil {
		return err
	}
	s.src, s.probes = src, probes
	return s.connectMeters()
}

// Handler serves everything under Config.BasePath, for a mux of your own: mux.Handle("/ops/", handler).
// Streams end and requests to SQS are called off when the server stops.
func (s *Server) Handler() http.Handler { return s.handler }

// Middleware watches the listeners of a bus that is made with it, see [events.WithMiddleware].
func (s *Server) Middleware() events.Middleware { return s.runs.middleware() }

// Addr is where the server listens, once started; "" without a socket.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Ready says that the app has started: /readyz answers by the state of the queues from now on.
func (s *Server) Ready() { s.phase.CompareAndSwap(starting, serving) }

// Drain says that the app is stopping: /readyz fails from now on, so that no more work is sent here.
func (s *Server) Drain() { s.phase.Store(draining) }

// Start listens. It returns at once; a port that is taken is an error. ctx bounds Start alone.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return errors.New("ops: the server was stopped: make a new one")
	case s.started:
		return nil
	}
	if s.cfg.Addr != "-" {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", s.cfg.Addr)
		if err != nil {
			return fmt.Errorf(`ops.Config.Addr is %q: %w: choose an address of this machine and a free port; port 0 takes one, "-" opens none`, s.cfg.Addr, err)
		}
		s.addr = l.Addr().String()
		s.http = &http.Server{
			Handler:           s.handler,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       15 * time.Second,
			WriteTimeout:      time.Minute, // streams set their own
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          zap.NewStdLog(s.log),
			BaseContext:       func(net.Listener) context.Context { return s.base },
		}
		s.crew.do(func() {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				s.log.Error("ops server ended", zap.Error(err))
			}
		})
	}
	s.started = true
	s.crew.do(func() { s.history.run(s.base) })
	s.log.Info("ops server started", zap.String("url", s.url()), zap.Object("config", s.cfg))
	if s.gatherer == nil {
		s.log.Warn("the app brings its own metric.MeterProvider, so /metrics has nothing to show: supply the *prometheus.Registry behind it, or leave the provider to ops")
	}
	return nil
}

// url needs mu.
func (s *Server) url() string {
	if s.addr == "" {
		return ""
	}
	return "http://" + s.addr + s.cfg.BasePath + "/"
}

// Stop ends streams at once and lets requests end, within ShutdownTimeout or ctx, whichever is shorter:
// after half of that their contexts end, after all of it they are cut off. The error names what goes on
// nevertheless. Stop without Start, and a second Stop, do nothing more.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.Drain()
	close(s.stopping)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ShutdownTimeout)
	defer cancel()
	half, cancelHalf := context.WithTimeout(ctx, s.cfg.ShutdownTimeout/2)
	defer cancelHalf()
	var err error
	if s.http != nil && s.http.Shutdown(half) != nil {
		s.end()
		if s.http.Shutdown(ctx) != nil {
			err = s.http.Close()
		}
	}
	s.end()
	return errors.Join(err, s.crew.end(ctx), s.closeMeters(context.WithoutCancel(ctx)))
}

// crew is the goroutines of a server.
type crew struct {
	mu    sync.Mutex
	ended bool
	work  sync.WaitGroup
}

// do runs f unless the crew has ended.
func (c *crew) do(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.work.Go(f)
	return true
}

// end waits for all of them, or for ctx.
func (c *crew) end(ctx context.Context) error {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("ops: stopped with a probe or a request to SQS still running: it ignores its context")
	}
}

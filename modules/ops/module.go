package ops

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
)

// Module provides [*Server], shows what it finds of the other modules, and serves from the first hook of
// the start to the last one of the stop. It needs nothing; list it beside the other modules, in any order.
//
// An app that provides no metric.MeterProvider gets the server's. One that does keeps its own, and
// /metrics serves the *prometheus.Registry that the app provides, if there is one.
//
// It is no fx.Module, because what it decorates must reach the whole app.
var Module = fx.Options(
	fx.Provide(New, events.AsMiddleware((*Server).Middleware)),
	fx.Decorate(meters),
	fx.Invoke(connect),
)

// Params are what [New] takes from the app: little, so that the server is made before all others and
// stops after them.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    Config      `optional:"true"`
	Logger    *zap.Logger `optional:"true"`
}

// New makes the server and ties it to the app's lifecycle.
func New(p Params) (*Server, error) {
	s, err := NewServer(p.Config, WithLogger(p.Logger))
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.Hook{OnStart: s.Start, OnStop: s.Stop})
	return s, nil
}

// meters gives the app a MeterProvider if it has none. Whoever wants one makes the server first.
func meters(p struct {
	fx.In
	Server *Server
	Own    metric.MeterProvider `optional:"true"`
},
) metric.MeterProvider {
	if p.Own != nil {
		return p.Own
	}
	return p.Server.MeterProvider()
}

type sources struct {
	fx.In

	Pool      *goroutine.Pool      `optional:"true"`
	Bus       *events.Bus          `optional:"true"`
	Decoder   *events.Decoder      `optional:"true"`
	Consumer  *sqs.Consumer        `optional:"true"`
	Publisher *sqs.Publisher       `optional:"true"`
	Admin     *sqs.Admin           `optional:"true"`
	DB        *repository.DB       `optional:"true"`
	Outbox    *repository.Outbox   `optional:"true"`
	Probes    []Probe              `group:"probes"`
	Meters    metric.MeterProvider `optional:"true"`
	Registry  *prometheus.Registry `optional:"true"`
}

// connect comes after everything that it shows: started last, it is the first to hear of a stop.
func connect(lc fx.Lifecycle, s *Server, src sources) error {
	err := s.Connect(Sources{
		Pool: src.Pool, Bus: src.Bus, Decoder: src.Decoder, Consumer: src.Consumer, Publisher: src.Publisher, Admin: src.Admin,
		DB: src.DB, Outbox: src.Outbox, Probes: src.Probes, Meters: src.Meters, Registry: src.Registry,
	})
	if err != nil {
		return err
	}
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error { s.Ready(); return nil },
		OnStop:  func(context.Context) error { s.Drain(); return nil },
	})
	return nil
}

// AsProbe makes a constructor's result, a [Probe], a probe of the app:
//
//	fx.Provide(ops.AsProbe(func(db *repository.DB) ops.Probe {
//		return ops.Probe{Name: "database", Check: db.Ping}
//	}))
//
// It is short for fx.Annotate with the group "probes".
func AsProbe(ctor any) any { return fx.Annotate(ctor, fx.ResultTags(`group:"probes"`)) }

package jobs

import (
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// Module provides a *Dispatcher and gives the handlers of the group "jobs" to the bus. It needs
// goroutine.Module and events.Module beside it. List it after the modules that bring messages in, so that at
// the stop jobs of this process end while those can still publish.
var Module = fx.Module("jobs",
	fx.Provide(provide, listeners),
	fx.Invoke(bind),
)

// Params is what Module takes from the app.
type Params struct {
	fx.In

	Config        Config `optional:"true"`
	Pool          *goroutine.Pool
	Publisher     events.Publisher
	Locks         Locks                `optional:"true"`
	FailedStore   FailedStore          `optional:"true"`
	BatchStore    BatchStore           `optional:"true"`
	Logger        *zap.Logger          `optional:"true"`
	MeterProvider metric.MeterProvider `optional:"true"`
}

// provide makes the dispatcher without the handlers, since those may take it.
func provide(p Params) (*Dispatcher, error) {
	return NewDispatcher(p.Config, p.Pool, p.Publisher, WithLogger(p.Logger), WithMeterProvider(p.MeterProvider),
		WithLocks(p.Locks), WithFailedStore(p.FailedStore), WithBatchStore(p.BatchStore))
}

type handlers struct {
	fx.In

	Dispatcher *Dispatcher
	Handlers   []Handler `group:"jobs"`
}

type madeListeners struct {
	fx.Out

	Listeners []events.Listener `group:"listeners,flatten"`
}

func listeners(h handlers) (madeListeners, error) {
	all, err := h.Dispatcher.Listeners(h.Handlers...)
	return madeListeners{Listeners: all}, err
}

func bind(lc fx.Lifecycle, d *Dispatcher, bus *events.Bus) {
	d.Bind(bus)
	lc.Append(fx.Hook{OnStart: d.Start, OnStop: d.Stop})
}

// AsHandler puts a constructor's result into the group "jobs":
//
//	fx.Provide(jobs.AsHandler(NewSendWelcome))
//
// The constructor returns a Handler, or several as a []Handler. It is short for fx.Annotate with that group.
func AsHandler(ctor any, annotations ...fx.Annotation) any {
	t := reflect.TypeOf(ctor)
	if t == nil || t.Kind() != reflect.Func || t.NumOut() == 0 {
		return ctor // fx.Provide says that it is no constructor
	}
	group := "jobs"
	if t.Out(0).Kind() == reflect.Slice {
		group += ",flatten"
	}
	return fx.Annotate(ctor, append([]fx.Annotation{fx.ResultTags(fmt.Sprintf("group:%q", group))}, annotations...)...)
}

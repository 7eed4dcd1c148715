package events

import (
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// Module provides *Bus, *Decoder, *Relay, and the relay once more as the
// application's [Publisher]. It needs a *goroutine.Pool, takes everything else
// it finds (see Params), and starts and stops the bus. It makes the bus even if
// nothing asks for one, so that a wrong listener fails the start.
var Module = fx.Module("events",
	fx.Provide(
		NewRelay,
		func(r *Relay) Publisher { return r },
		New,
	),
	fx.Invoke(func(*Bus) {}),
)

// Params is what Module takes from the graph.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Pool      *goroutine.Pool
	Relay     *Relay

	Listeners  []Listener   `group:"listeners"`
	Middleware []Middleware `group:"middleware"`
	Envelopes  []Envelope   `group:"decoders"`

	Topics []TopicInfo `group:"topics"`

	Config         Config                        `optional:"true"`
	Ledger         Ledger                        `optional:"true"`
	Store          Store                         `optional:"true"`
	Logger         *zap.Logger                   `optional:"true"`
	TracerProvider trace.TracerProvider          `optional:"true"`
	MeterProvider  metric.MeterProvider          `optional:"true"`
	Propagator     propagation.TextMapPropagator `optional:"true"`
}

// Result is what Module gives to the graph, besides the relay.
type Result struct {
	fx.Out

	Bus     *Bus
	Decoder *Decoder
}

// New makes the bus and the decoder from the graph.
func New(p Params) (Result, error) {
	decoder, err := NewDecoder(p.Config.Decode, p.Envelopes...)
	if err != nil {
		return Result{}, err
	}
	bus, err := NewBus(p.Config, p.Pool, p.Listeners,
		WithLogger(p.Logger),
		WithLedger(p.Ledger),
		WithStore(p.Store),
		WithTopics(p.Topics...),
		WithTracerProvider(p.TracerProvider),
		WithMeterProvider(p.MeterProvider),
		WithPropagator(p.Propagator),
		WithMiddleware(p.Middleware...),
		WithRelay(p.Relay),
	)
	if err != nil {
		return Result{}, err
	}
	p.Lifecycle.Append(fx.Hook{OnStart: bus.Start, OnStop: bus.Stop})
	return Result{Bus: bus, Decoder: decoder}, nil
}

// AsListener makes a constructor's result a listener of the bus:
//
//	fx.Provide(events.AsListener(NewSendEmailConfirmation))
//
// The constructor returns a Listener, a type that implements it, or several as
// a []Listener; a Listener itself will do in its place. It is short for
// fx.Annotate with the group "listeners".
func AsListener(ctor any, annotations ...fx.Annotation) any {
	if l, ready := ctor.(Listener); ready {
		ctor = func() Listener { return l }
	}
	return intoGroup(ctor, new(Listener), "listeners", annotations)
}

// AsMiddleware makes a constructor's result middleware of the bus. Value groups
// have no order: middleware whose order matters belongs into one function.
func AsMiddleware(ctor any, annotations ...fx.Annotation) any {
	return intoGroup(ctor, nil, "middleware", annotations)
}

// AsDecoder makes a constructor's result an envelope of the decoding chain. It
// is tried before the built-in ones, unless Config.Decode.Formats says
// otherwise.
func AsDecoder(ctor any, annotations ...fx.Annotation) any {
	return intoGroup(ctor, new(Envelope), "decoders", annotations)
}

// AsTopic adds a topic to the contract that nobody in this process listens to,
// such as one that it only publishes:
//
//	fx.Provide(events.AsTopic(OrderPlaced))
func AsTopic(t TopicInfo) any {
	return fx.Annotate(func() TopicInfo { return t }, fx.ResultTags(`group:"topics"`))
}

// intoGroup annotates a constructor so that its first result joins a value
// group: slices are flattened, other types than the group's are provided as the
// group's interface. What is no constructor is left to fx.Provide, which says so.
func intoGroup(ctor, iface any, group string, annotations []fx.Annotation) any {
	t := reflect.TypeOf(ctor)
	if t == nil || t.Kind() != reflect.Func || t.NumOut() == 0 {
		return ctor
	}
	tag := group
	switch result := t.Out(0); {
	case result.Kind() == reflect.Slice:
		tag += ",flatten"
	case iface != nil && result != reflect.TypeOf(iface).Elem():
		annotations = append([]fx.Annotation{fx.As(iface)}, annotations...)
	}
	tags := fx.ResultTags(fmt.Sprintf(`group:"%s"`, tag))
	return fx.Annotate(ctor, append([]fx.Annotation{tags}, annotations...)...)
}

// PublishVia chooses the publisher behind the application's Publisher by its
// type, for example
//
//	events.PublishVia[*sqs.Publisher]()
//
// Without it, events published are dispatched on the bus. Choosing twice is an
// error at start.
func PublishVia[P Publisher]() fx.Option {
	return fx.Invoke(func(r *Relay, p P) error { return r.Bind(p) })
}

package events

import (
	"fmt"
	"reflect"

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

	Config Config      `optional:"true"`
	Logger *zap.Logger `optional:"true"`
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
// a []Listener. It is short for fx.Annotate with the group "listeners".
func AsListener(ctor any, annotations ...fx.Annotation) any {
	return fx.Annotate(ctor, append(intoGroup(ctor, new(Listener), "listeners"), annotations...)...)
}

// AsMiddleware makes a constructor's result middleware of the bus. Value groups
// have no order: middleware whose order matters belongs into one function.
func AsMiddleware(ctor any, annotations ...fx.Annotation) any {
	return fx.Annotate(ctor, append(intoGroup(ctor, nil, "middleware"), annotations...)...)
}

// AsDecoder makes a constructor's result an envelope of the decoding chain. It
// is tried before the built-in ones, unless Config.Decode.Formats says
// otherwise.
func AsDecoder(ctor any, annotations ...fx.Annotation) any {
	return fx.Annotate(ctor, append(intoGroup(ctor, new(Envelope), "decoders"), annotations...)...)
}

// intoGroup annotates a constructor's first result: slices are flattened, other
// types than the group's are provided as the group's interface.
func intoGroup(ctor, iface any, group string) []fx.Annotation {
	tag := fmt.Sprintf(`group:%q`, group)
	t := reflect.TypeOf(ctor)
	if t == nil || t.Kind() != reflect.Func || t.NumOut() == 0 {
		return []fx.Annotation{fx.ResultTags(tag)} // fx.Annotate says what is wrong
	}
	result := t.Out(0)
	if result.Kind() == reflect.Slice {
		return []fx.Annotation{fx.ResultTags(fmt.Sprintf(`group:"%s,flatten"`, group))}
	}
	if iface != nil && result != reflect.TypeOf(iface).Elem() {
		return []fx.Annotation{fx.As(iface), fx.ResultTags(tag)}
	}
	return []fx.Annotation{fx.ResultTags(tag)}
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

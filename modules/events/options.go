package events

import (
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// Option hands NewBus a collaborator. Data belongs into Config. A nil
// collaborator means the default.
type Option func(*busOptions)

type busOptions struct {
	log        *zap.Logger
	middleware []Middleware
	relay      *Relay
	ledger     Ledger
	store      Store
	topics     []TopicInfo
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
}

func newBusOptions(cfg Config, opts []Option) busOptions {
	var o busOptions
	for _, opt := range opts {
		opt(&o)
	}
	if o.log == nil {
		o.log = zap.NewNop()
	}
	if o.ledger == nil && cfg.LedgerSize > 0 {
		o.ledger = NewMemoryLedger(cfg.LedgerSize)
	}
	if o.store == nil && cfg.StoreSize > 0 {
		o.store = NewMemoryStore(cfg.StoreSize)
	}
	return o
}

// WithLogger sets where the bus reports what nobody else will see: dispatches
// that failed asynchronously, skipped events, what a stop left behind. Default:
// nowhere.
func WithLogger(log *zap.Logger) Option {
	return func(o *busOptions) { o.log = log }
}

// WithMiddleware wraps each listener of the bus, the first one outermost.
func WithMiddleware(middleware ...Middleware) Option {
	return func(o *busOptions) { o.middleware = append(o.middleware, middleware...) }
}

// WithRelay makes the bus the relay's publisher for as long as nobody binds
// another.
func WithRelay(r *Relay) Option {
	return func(o *busOptions) { o.relay = r }
}

// WithLedger sets what remembers which listeners have finished which event.
// Default: a MemoryLedger of Config.LedgerSize.
func WithLedger(l Ledger) Option {
	return func(o *busOptions) { o.ledger = l }
}

// WithStore sets where the events of Config.Record are kept. Default: a
// MemoryStore of Config.StoreSize.
func WithStore(s Store) Option {
	return func(o *busOptions) { o.store = s }
}

// WithTopics adds topics to the contract that nobody in this process listens
// to, such as those it only publishes.
func WithTopics(topics ...TopicInfo) Option {
	return func(o *busOptions) { o.topics = append(o.topics, topics...) }
}

// WithTracerProvider sets where spans go. Default: the global provider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(o *busOptions) { o.tracers = p }
}

// WithMeterProvider sets where measurements go. Default: the global provider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(o *busOptions) { o.meters = p }
}

// WithPropagator sets how trace context is read from an event's metadata.
// Default: the global propagator.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(o *busOptions) { o.propagator = p }
}

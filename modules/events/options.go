package events

import "go.uber.org/zap"

// Option hands NewBus a collaborator. Data belongs into Config.
type Option func(*busOptions)

type busOptions struct {
	log        *zap.Logger
	middleware []Middleware
	relay      *Relay
}

func newBusOptions(opts []Option) busOptions {
	o := busOptions{log: zap.NewNop()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLogger sets where the bus reports what nobody else will see: dispatches
// that failed asynchronously, skipped events, what a stop left behind. Default:
// nowhere.
func WithLogger(log *zap.Logger) Option {
	return func(o *busOptions) {
		if log != nil {
			o.log = log
		}
	}
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

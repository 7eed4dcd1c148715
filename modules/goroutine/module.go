package goroutine

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/fx"
	"go.uber.org/zap"
)

// Module provides the app's *Pool, starts and stops it, and shows it to Default. It needs nothing;
// supply a Config (the value, not a pointer) to change the defaults.
var Module = fx.Module("goroutine",
	fx.Provide(New),
	fx.Invoke(func(*Pool) {}), // Default works though nobody asks for the pool
)

// Params is what Module takes from the app.
type Params struct {
	fx.In

	Lifecycle     fx.Lifecycle
	Config        Config               `optional:"true"`
	Logger        *zap.Logger          `optional:"true"`
	MeterProvider metric.MeterProvider `optional:"true"`
}

// New is Module's constructor.
func New(params Params) (*Pool, error) {
	p, err := NewPool(params.Config, WithLogger(params.Logger), WithMeterProvider(params.MeterProvider))
	if err != nil {
		return nil, err
	}
	params.Lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := p.Start(ctx); err != nil {
				return err
			}
			publish(p)
			return nil
		},
		OnStop: func(ctx context.Context) error {
			withdraw(p)
			return p.Stop(ctx)
		},
	})
	return p, nil
}

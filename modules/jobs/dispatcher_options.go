package jobs

import (
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// DispatcherOption hands NewDispatcher a collaborator. A nil one means the default.
type DispatcherOption func(*dispatcherOptions)

type dispatcherOptions struct {
	log     *zap.Logger
	meters  metric.MeterProvider
	locks   Locks
	failed  FailedStore
	batches BatchStore
}

func newDispatcherOptions(opts []DispatcherOption) dispatcherOptions {
	var o dispatcherOptions
	for _, opt := range opts {
		opt(&o)
	}
	if o.log == nil {
		o.log = zap.NewNop()
	}
	if o.locks == nil {
		o.locks = newMemoryLocks()
	}
	if o.failed == nil {
		o.failed = newMemoryFailed()
	}
	if o.batches == nil {
		o.batches = newMemoryBatches()
	}
	return o
}

// WithLogger sets where the dispatcher logs: jobs that failed for good, what it cannot note, what a stop
// left. Default: nowhere.
func WithLogger(log *zap.Logger) DispatcherOption {
	return func(o *dispatcherOptions) { o.log = log }
}

// WithMeterProvider sets where measurements go. Default: the global provider.
func WithMeterProvider(p metric.MeterProvider) DispatcherOption {
	return func(o *dispatcherOptions) { o.meters = p }
}

// WithLocks sets what keeps unique jobs unique. Default: this process's memory.
func WithLocks(l Locks) DispatcherOption {
	return func(o *dispatcherOptions) { o.locks = l }
}

// WithFailedStore sets where failed jobs are kept. Default: this process's memory.
func WithFailedStore(s FailedStore) DispatcherOption {
	return func(o *dispatcherOptions) { o.failed = s }
}

// WithBatchStore sets where batches are kept. Default: this process's memory.
func WithBatchStore(s BatchStore) DispatcherOption {
	return func(o *dispatcherOptions) { o.batches = s }
}

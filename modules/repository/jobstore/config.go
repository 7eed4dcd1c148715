package jobstore

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"
)

// Config tunes what is kept for how long. The zero value is a good default.
type Config struct {
	// BatchRetention is how long a batch is kept after it has finished. A job that comes back later, or is
	// retried, is not counted any more: it must exceed the time for which a message can come back, which on
	// SQS is up to 14 days. Default 15 days; -1 keeps all.
	BatchRetention time.Duration

	// SweepInterval is how often expired locks and old batches are deleted. Default 10m.
	SweepInterval time.Duration
}

func (c Config) withDefaults() Config {
	if c.BatchRetention == 0 {
		c.BatchRetention = 15 * 24 * time.Hour
	}
	if c.SweepInterval == 0 {
		c.SweepInterval = 10 * time.Minute
	}
	return c
}

// validate expects defaults to be filled in.
func (c Config) validate() error {
	var errs []error
	if c.BatchRetention < -1 {
		errs = append(errs, fmt.Errorf("jobstore.Config.BatchRetention is %v: a duration cannot be negative; use -1 to keep all, 0 for the default", c.BatchRetention))
	}
	if c.SweepInterval < 0 {
		errs = append(errs, fmt.Errorf("jobstore.Config.SweepInterval is %v: a duration cannot be negative; use 0 for the default", c.SweepInterval))
	}
	return errors.Join(errs...)
}

// MarshalLogObject writes the effective values, for the one line at start.
func (c Config) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddDuration("batch_retention", c.BatchRetention)
	enc.AddDuration("sweep_interval", c.SweepInterval)
	return nil
}

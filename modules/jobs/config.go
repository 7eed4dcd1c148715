package jobs

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"
)

// Config sets up a dispatcher. The zero value is a good default.
type Config struct {
	// MaxAttempts is how often jobs without the option of that name are tried. Default 3; -1 for no limit.
	MaxAttempts int

	// Require names jobs that must have a handler in this process: one that is missing fails the start.
	// Default none, since a process may dispatch jobs that others handle.
	Require []string

	// ShutdownTimeout bounds Stop, which also obeys its context; the shorter wins. When it has passed, jobs
	// of this process that still run are cancelled and reported. Default 1s; -1 leaves it to the context.
	ShutdownTimeout time.Duration
}

// The lowest maxReceiveCount that is in wide use is 3: with it no job has to be sent again.
const (
	defaultMaxAttempts     = 3
	defaultShutdownTimeout = time.Second
)

func (c Config) withDefaults() Config {
	if c.MaxAttempts == 0 {
		c.MaxAttempts = defaultMaxAttempts
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = defaultShutdownTimeout
	}
	return c
}

// validate expects defaults to be filled in.
func (c Config) validate() error {
	var errs []error
	bad := func(field string, value any, reason, hint string) {
		errs = append(errs, fmt.Errorf("jobs.Config.%s is %v: %s; %s", field, value, reason, hint))
	}
	if c.MaxAttempts < -1 {
		bad("MaxAttempts", c.MaxAttempts, "a count cannot be negative", "use -1 for no limit, 0 for the default")
	}
	if c.ShutdownTimeout < 0 && c.ShutdownTimeout != -1 {
		bad("ShutdownTimeout", c.ShutdownTimeout, "a duration cannot be negative", "use -1 to leave it to Stop's context, 0 for the default")
	}
	return errors.Join(errs...)
}

// MarshalLogObject writes the effective values, for the one line at start.
func (c Config) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddInt("max_attempts", c.MaxAttempts)
	enc.AddDuration("shutdown_timeout", c.ShutdownTimeout)
	return enc.AddReflected("require", c.Require)
}

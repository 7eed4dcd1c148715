package goroutine

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"go.uber.org/zap/zapcore"
)

// Config sizes a pool. The zero value is a good default.
type Config struct {
	// MinWorkers is how many idle workers stay warm for the next task; the autoscaler's limit never
	// falls below it either. Default 2, or MaxWorkers if that is smaller; -1 keeps none.
	MinWorkers int

	// MaxWorkers is the hard cap on tasks that run at once. Set, it is also the limit at start. Left at
	// zero, the limit starts at 2 x GOMAXPROCS and the autoscaler moves it up to 64 x GOMAXPROCS while
	// tasks wait and the processors have room. Default 0.
	MaxWorkers int

	// QueueSize is how many tasks may wait for a worker before Go blocks and TryGo answers
	// ErrSaturated. Default 1000; -1 lets none wait.
	QueueSize int

	// IdleTimeout is how long a worker beyond MinWorkers stays idle before it ends, and how long a limit
	// that the autoscaler has raised outlives its use. Default 30s; -1 keeps both for ever.
	IdleTimeout time.Duration

	// ShutdownTimeout bounds Stop, which also obeys its context; the shorter wins. After four fifths of
	// it the tasks that are left are cancelled. Default 5s; -1 leaves it to the context.
	ShutdownTimeout time.Duration

	// StuckAfter is how long a task may run before it is logged and counted, once, as stuck.
	// Default 1m; -1 never.
	StuckAfter time.Duration

	// DisableAutoscaler fixes the limit at MaxWorkers, or at 2 x GOMAXPROCS if that is zero. Default false.
	DisableAutoscaler bool
}

// 64 is where a task that computes 1 % of its time fills its processor, nearly.
const (
	defaultMinWorkers      = 2
	defaultQueueSize       = 1000
	defaultIdleTimeout     = 30 * time.Second
	defaultShutdownTimeout = 5 * time.Second
	defaultStuckAfter      = time.Minute

	startPerProc   = 2
	ceilingPerProc = 64
)

func (c Config) withDefaults() Config {
	if c.MinWorkers == 0 {
		c.MinWorkers = defaultMinWorkers
		if c.MaxWorkers > 0 {
			c.MinWorkers = min(c.MinWorkers, c.MaxWorkers)
		}
	}
	if c.QueueSize == 0 {
		c.QueueSize = defaultQueueSize
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = defaultIdleTimeout
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = defaultShutdownTimeout
	}
	if c.StuckAfter == 0 {
		c.StuckAfter = defaultStuckAfter
	}
	return c
}

// validate expects defaults to be filled in.
func (c Config) validate() error {
	var errs []error
	bad := func(field string, value any, reason, hint string) {
		errs = append(errs, fmt.Errorf("goroutine.Config.%s is %v: %s; %s", field, value, reason, hint))
	}
	if c.MinWorkers < -1 {
		bad("MinWorkers", c.MinWorkers, "a count cannot be negative", "use -1 to keep no worker warm, 0 for the default")
	}
	if c.MaxWorkers < 0 {
		bad("MaxWorkers", c.MaxWorkers, "a pool needs at least one worker", "use 0 to let the autoscaler choose")
	}
	if c.MaxWorkers > 0 && c.MinWorkers > c.MaxWorkers {
		bad("MinWorkers", c.MinWorkers, fmt.Sprintf("it exceeds MaxWorkers (%d)", c.MaxWorkers), "lower it or raise MaxWorkers")
	}
	if c.QueueSize < -1 {
		bad("QueueSize", c.QueueSize, "a size cannot be negative", "use -1 for no queue, 0 for the default")
	}
	for _, d := range []struct {
		field, off string
		value      time.Duration
	}{
		{"IdleTimeout", "to keep idle workers", c.IdleTimeout},
		{"ShutdownTimeout", "to leave it to Stop's context", c.ShutdownTimeout},
		{"StuckAfter", "to turn the watchdog off", c.StuckAfter},
	} {
		if d.value < 0 && d.value != -1 {
			bad(d.field, d.value, "a duration cannot be negative", "use -1 "+d.off+", 0 for the default")
		}
	}
	return errors.Join(errs...)
}

// bounds of the limit on a number of processors.
type bounds struct {
	floor   int // under saturated processors
	start   int
	ceiling int
}

// The floor keeps one more than the processors, so that a task that blocks does not idle one.
func (c Config) bounds(procs int) bounds {
	if c.MaxWorkers > 0 {
		return bounds{min(max(procs+1, c.MinWorkers), c.MaxWorkers), c.MaxWorkers, c.MaxWorkers}
	}
	start := max(startPerProc*procs, c.MinWorkers)
	return bounds{min(max(procs+1, c.MinWorkers), start), start, max(ceilingPerProc*procs, start)}
}

// MarshalLogObject writes the effective values, for the one line at start.
func (c Config) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddInt("min_workers", c.MinWorkers)
	enc.AddInt("max_workers", c.MaxWorkers)
	b := c.bounds(runtime.GOMAXPROCS(0))
	enc.AddInt("start_limit", b.start)
	enc.AddInt("limit_ceiling", b.ceiling)
	enc.AddInt("queue_size", c.QueueSize)
	enc.AddDuration("idle_timeout", c.IdleTimeout)
	enc.AddDuration("shutdown_timeout", c.ShutdownTimeout)
	enc.AddDuration("stuck_after", c.StuckAfter)
	enc.AddBool("autoscaler", !c.DisableAutoscaler)
	return nil
}

package sqslocal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Effect is what a Fault does.
type Effect string

// The effects of faults.
const (
	Slow         Effect = "slow"          // the answer takes Latency longer
	ServerError  Effect = "server-error"  // HTTP 500 InternalError, nothing done
	Unavailable  Effect = "unavailable"   // HTTP 503 ServiceUnavailable, nothing done
	Throttle     Effect = "throttle"      // HTTP 403 RequestThrottled, nothing done
	ResetBefore  Effect = "reset-before"  // the connection breaks, nothing done
	ResetAfter   Effect = "reset-after"   // the action is done, then the connection breaks
	PartialBatch Effect = "partial-batch" // entries of a batch fail with InternalError, each with Probability
	Duplicate    Effect = "duplicate"     // a received message is visible again at once, each with Probability
	CutPoll      Effect = "cut-poll"      // the connection of a receive that still waits after Latency breaks
)

// Fault is something that goes wrong on purpose. The zero value of each field but Effect means: always, everywhere.
type Fault struct {
	Name        string  // for Server.Faulted; default: the effect
	Effect      Effect  // what happens
	Action      string  // an API action such as SendMessage; default: every one
	Queue       string  // a queue's name; default: every one
	Probability float64 // of a call, or of an entry, between 0 and 1; default: 1
	After       int     // this many matching calls pass first; default: 0
	Times       int     // after this many the fault is over; default: no end
	Latency     Latency // of Slow and CutPoll; default: none
}

// Latency is a log-normal distribution, as the latencies of services are, given by two of its quantiles. With P99 zero it is
// always P50.
type Latency struct{ P50, P99 time.Duration }

// p99Sigmas is how many standard deviations the 99th percentile lies above the median.
const p99Sigmas = 2.326

func (l Latency) draw(r *rand.Rand) time.Duration {
	if l.P99 <= l.P50 || l.P50 <= 0 {
		return l.P50
	}
	sigma := math.Log(float64(l.P99)/float64(l.P50)) / p99Sigmas
	return time.Duration(float64(l.P50) * math.Exp(sigma*r.NormFloat64()))
}

func (f Fault) validate() error {
	switch f.Effect {
	case Slow, CutPoll, ServerError, Unavailable, Throttle, ResetBefore, ResetAfter, PartialBatch, Duplicate:
	default:
		return fmt.Errorf("fault effect %q is unknown: use one of the constants, such as sqslocal.Throttle", f.Effect)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("probability %v of fault %q is not between 0 and 1", f.Probability, f.name())
	}
	if _, known := actions[f.Action]; f.Action != "" && !known {
		return fmt.Errorf("action %q of fault %q is no action of SQS: write one such as ReceiveMessage", f.Action, f.name())
	}
	if f.After < 0 || f.Times < 0 || f.Latency.P50 < 0 || f.Latency.P99 < 0 {
		return fmt.Errorf("fault %q has a negative After, Times or Latency", f.name())
	}
	return nil
}

func (f Fault) name() string {
	if f.Name != "" {
		return f.Name
	}
	return string(f.Effect)
}

// faults are the rules in force.
type faults struct {
	mu     sync.Mutex
	random *rand.Rand
	rules  []*rule
	struck map[string]int
}

type rule struct {
	Fault
	seen, done int
}

func (f *faults) set(all []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
	for _, one := range all {
		if one.Probability == 0 {
			one.Probability = 1
		}
		f.rules = append(f.rules, &rule{Fault: one})
	}
}

// draw decides what goes wrong with one call.
func (f *faults) draw(action, queue string) drawn {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := drawn{faults: f}
	for _, r := range f.rules {
		if r.Action != "" && r.Action != action || r.Queue != "" && r.Queue != queue {
			continue
		}
		if r.seen++; r.seen <= r.After {
			continue
		}
		switch r.Effect {
		case PartialBatch:
			out.partial = append(out.partial, r)
			continue
		case Duplicate:
			out.duplicate = append(out.duplicate, r)
			continue
		}
		if !f.strike(r) {
			continue
		}
		switch r.Effect {
		case Slow:
			out.slow += r.Latency.draw(f.random)
		case CutPoll:
			out.cut, out.cutAfter = true, r.Latency.draw(f.random)
		case ResetAfter:
			out.resetAfter = true
		default:
			out.refusal = r.Effect.refusal()
		}
	}
	return out
}

// strike decides whether r happens now. The caller holds the lock.
func (f *faults) strike(r *rule) bool {
	if r.Times > 0 && r.done >= r.Times || f.random.Float64() >= r.Probability {
		return false
	}
	r.done++
	f.struck[r.name()]++
	return true
}

func (f *faults) any(rules []*rule) bool {
	if len(rules) == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(rules, f.strike)
}

// errReset stands for a broken connection.
var errReset = errors.New("connection reset by fault")

func broken(err error) bool { return errors.Is(err, errReset) }

func (e Effect) refusal() error {
	switch e {
	case ServerError:
		return &apiError{
			shape: sqsNamespace + "InternalError", query: "InternalError", status: http.StatusInternalServerError, server: true,
			message: "We encountered an internal error. Please try again.",
		}
	case Unavailable:
		return &apiError{
			shape: sqsNamespace + "ServiceUnavailable", query: "ServiceUnavailable", status: http.StatusServiceUnavailable, server: true,
			message: "Service is temporarily unavailable.",
		}
	case Throttle:
		return modelError("RequestThrottled", "RequestThrottled", http.StatusForbidden, "Request was throttled.")
	default:
		return errReset
	}
}

// drawn is what goes wrong with one call.
type drawn struct {
	faults             *faults
	slow, cutAfter     time.Duration
	cut                bool
	refusal            error
	resetAfter         bool
	partial, duplicate []*rule
}

// before lets happen what comes before the action. The context that it returns ends a poll that is to be cut off.
func (d *drawn) before(ctx context.Context, closing <-chan struct{}) (context.Context, context.CancelFunc, error) {
	if d.slow > 0 {
		timer := time.NewTimer(d.slow)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx, func() {}, ctx.Err() // the client has gone, nothing done
		case <-closing:
		}
	}
	if d.cut {
		ctx, cancel := context.WithTimeoutCause(ctx, d.cutAfter, errReset)
		return ctx, cancel, d.refusal
	}
	return ctx, func() {}, d.refusal
}

// after lets happen what comes after the action.
func (d *drawn) after(ctx context.Context) error {
	if d.resetAfter || broken(context.Cause(ctx)) {
		return errReset
	}
	return nil
}

// failEntry returns the error of a batch entry that is to fail, nil for one that is to succeed.
func (d *drawn) failEntry() error {
	if d.faults.any(d.partial) {
		return ServerError.refusal()
	}
	return nil
}

// again reports whether a received message is to stay visible.
func (d *drawn) again() bool { return d.faults.any(d.duplicate) }

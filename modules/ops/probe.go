package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind says which question a probe answers.
type Kind string

// The kinds of probes.
const (
	// Liveness is about this process alone: false restarts it. A probe of this kind must not ask a
	// database or a service: their outage would restart every process that uses them.
	Liveness Kind = "liveness"
	// Readiness is whether work may be sent here.
	Readiness Kind = "readiness"
)

// Probe is a check of the app's own, see [AsProbe].
type Probe struct {
	// Name tells it apart, in the answers and on the page. Required, unique.
	Name string
	// Kind is Liveness or Readiness. Default Readiness.
	Kind Kind
	// Check answers nil if all is well. It may be called at any time, never twice at once; a panic is an
	// error. Required.
	Check func(ctx context.Context) error
	// Timeout is when Check's context ends and its answer is not waited for any more. Default 800ms,
	// below the second that Kubernetes waits.
	Timeout time.Duration
}

// probe is a Probe at work.
type probe struct {
	Probe
	mu   sync.Mutex
	run  *probeRun // in flight
	last error     // of the latest run
}

type probeRun struct {
	done  chan struct{}
	began time.Time
	err   error
}

// newProbes checks all probes and reports every fault. Value groups come in random order: they are sorted.
func newProbes(all []Probe) ([]*probe, error) {
	var errs []error
	taken := map[string]bool{}
	probes := make([]*probe, 0, len(all))
	for _, p := range all {
		if p.Kind == "" {
			p.Kind = Readiness
		}
		if p.Timeout == 0 {
			p.Timeout = 800 * time.Millisecond
		}
		switch {
		case p.Name == "":
			errs = append(errs, errors.New("ops.Probe.Name is empty: name each probe"))
		case taken[p.Name]:
			errs = append(errs, fmt.Errorf("ops.Probe.Name is %q twice: give each probe a name of its own", p.Name))
		case p.Kind != Liveness && p.Kind != Readiness:
			errs = append(errs, fmt.Errorf("ops.Probe.Kind of %q is %q: use ops.Liveness or ops.Readiness", p.Name, p.Kind))
		case p.Check == nil:
			errs = append(errs, fmt.Errorf("ops.Probe.Check of %q is nil: give it a function", p.Name))
		case p.Timeout < 0:
			errs = append(errs, fmt.Errorf("ops.Probe.Timeout of %q is %v: it cannot be negative, use 0 for the default", p.Name, p.Timeout))
		}
		taken[p.Name] = true
		probes = append(probes, &probe{Probe: p})
	}
	slices.SortFunc(probes, func(a, b *probe) int { return strings.Compare(a.Name, b.Name) })
	return probes, errors.Join(errs...)
}

// start runs the check, or joins the run in flight. It answers nil when the server has stopped.
func (p *probe) start(s *Server) *probeRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil {
		return p.run
	}
	r := &probeRun{done: make(chan struct{}), began: time.Now(), err: errors.New("ended without an answer")}
	if s.crew.do(func() { p.check(s.base, r) }) {
		p.run = r
		return r
	}
	return nil
}

func (p *probe) check(ctx context.Context, r *probeRun) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	defer func() {
		if fault := recover(); fault != nil {
			r.err = fmt.Errorf("panic: %v", fault)
		}
		p.mu.Lock()
		p.run, p.last = nil, r.err
		p.mu.Unlock()
		close(r.done)
	}()
	r.err = p.Check(ctx)
}

// await answers how the run went, or that it takes too long.
func (p *probe) await(r *probeRun) error {
	if r == nil {
		return errors.New("the server has stopped")
	}
	timer := time.NewTimer(max(p.Timeout-time.Since(r.began), 0))
	defer timer.Stop()
	select {
	case <-r.done:
		return r.err
	case <-timer.C:
	}
	select {
	case <-r.done: // both at once: an answer is an answer
		return r.err
	default:
		return fmt.Errorf("no answer for %v", time.Since(r.began).Round(time.Millisecond))
	}
}

// lately is what the probe last said, or that it does not say anything.
func (p *probe) lately() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil && time.Since(p.run.began) > p.Timeout {
		return fmt.Errorf("no answer for %v", time.Since(p.run.began).Round(time.Millisecond))
	}
	return p.last
}

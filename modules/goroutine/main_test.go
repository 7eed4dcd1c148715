package goroutine

import (
	"context"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startPool returns a running pool that the test stops.
func startPool(t testing.TB, cfg Config, opts ...Option) *Pool {
	t.Helper()
	p, err := NewPool(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		checkBooks(t, p.Stats())
	})
	return p
}

func checkBooks(t testing.TB, s Stats) {
	t.Helper()
	sum := s.Completed + s.Failed + s.Rejected + s.Abandoned + uint64(s.Waiting) + uint64(s.Running)
	if s.Submitted != sum || s.Waiting < 0 || s.Running < 0 || s.Waiting != s.QueueLength+s.Blocked ||
		s.ActiveWorkers < 0 || s.Reserved < 0 || s.Lent < 0 || s.Helping < 0 {
		t.Errorf("books do not balance: submitted %d, others sum up to %d: %+v", s.Submitted, sum, s)
	}
}

func noop(context.Context) error { return nil }

// gate is a task that says when it runs and waits to be let go.
type gate struct {
	entered chan struct{}
	leave   chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 1024), make(chan struct{})} }

func (g *gate) task(context.Context) error {
	g.entered <- struct{}{}
	<-g.leave
	return nil
}

package goroutine

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func onTwoProcessors(p *Pool) {
	p.control.procs = func() int { return 2 }
	p.control.runnable = func() int { return 0 }
}

func TestScaleDecisionsAreLoggedCountedAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		reader := sdkmetric.NewManualReader()
		p := startPool(t, Config{IdleTimeout: time.Second}, onTwoProcessors, WithLogger(zap.New(core)),
			WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		for range 500 {
			if err := p.Go(t.Context(), func(context.Context) error { <-time.After(10 * time.Millisecond); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(500 * time.Millisecond)
		s := p.Stats()
		if s.ScaleUps == 0 || s.Limit <= 4 || s.LastScale.To != s.Limit || s.LastScale.Reason != reasonTasksWait || s.LastScale.At.IsZero() {
			t.Errorf("%+v", s)
		}
		<-time.After(time.Minute)
		s = p.Stats()
		if s.ScaleDowns == 0 || s.Limit != 4 || s.LastScale.Reason != reasonIdle {
			t.Errorf("%+v", s)
		}
		if n := logs.FilterMessage("goroutine pool limit moved").Len(); uint64(n) != s.ScaleUps+s.ScaleDowns {
			t.Errorf("%d decisions logged, %d made", n, s.ScaleUps+s.ScaleDowns)
		}
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		counted := map[string]int64{}
		for _, m := range rm.ScopeMetrics[0].Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == metricScale {
				for _, dp := range sum.DataPoints {
					reason, _ := dp.Attributes.Value(attrReason)
					counted[reason.AsString()] = dp.Value
				}
			}
		}
		if counted[reasonTasksWait] == 0 || counted[reasonIdle] == 0 {
			t.Errorf("counted %v", counted)
		}
	})
}

func TestLimitDoesNotExceedAMaxThatTheUserSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 5}, onTwoProcessors)
		g := newGate()
		for range 100 {
			if err := p.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute)
		if s := p.Stats(); s.Limit != 5 || len(g.entered) != 5 {
			t.Errorf("limit %d, %d run", s.Limit, len(g.entered))
		}
		close(g.leave)
	})
}

// Consumers that hold slots for an empty queue must not make the pool grow; one that waits for busy
// slots must.
func TestReserversCountAsDemandWhenSlotsAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{}, onTwoProcessors)
		idle, err := p.Reserve(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		second, err := p.Reserve(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		granted := make(chan *Reservation)
		go func() {
			r, err := p.Reserve(t.Context(), 1)
			if err != nil {
				t.Error(err)
			}
			granted <- r
		}()
		<-time.After(time.Minute)
		if s := p.Stats(); s.ScaleUps != 0 {
			t.Errorf("grew for idle reservations: %+v", s)
		}
		g := newGate()
		for second.Len() > 0 {
			if err := second.Go(t.Context(), g.task); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Go(t.Context(), g.task); err != nil {
			t.Fatal(err)
		}
		third := <-granted
		start := time.Now()
		more, err := p.Reserve(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("grew after %v", d)
		}
		for _, r := range []*Reservation{idle, second, third, more} {
			r.Release()
		}
		close(g.leave)
	})
}

// A pool that runs very many short tasks reads its clock less often; when tasks get slow it must let
// submitters in one by one again.
func TestFastPoolSlowsDownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPool(t, Config{MaxWorkers: 1, QueueSize: 10})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					for range 5000 {
						if err := p.Go(t.Context(), noop); err != nil {
							t.Error(err)
						}
					}
					<-time.After(20 * time.Millisecond)
				}
			})
		}
		<-time.After(200 * time.Millisecond)
		if !p.clock.fast.Load() {
			t.Error("a million tasks a second are fast")
		}
		wg.Wait()
		synctest.Wait()
		if s := p.Stats(); s.Completed != 400_000 || s.P50 != 0 {
			t.Errorf("%+v", s)
		}

		start := time.Now()
		for range 20 {
			if err := p.Go(t.Context(), func(context.Context) error { <-time.After(time.Second); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		// 1 runs and 10 wait, so 9 have had to be let in, each as soon as there was room
		if d := time.Since(start).Round(time.Second); d != 9*time.Second {
			t.Errorf("20 submissions took %v", d)
		}
		if p.clock.fast.Load() {
			t.Error("one task a second is not fast")
		}
		<-time.After(time.Minute)
		if s := p.Stats(); s.Completed != 400_020 || s.P99 > time.Second || s.AverageWait == 0 {
			t.Errorf("%+v", s)
		}
	})
}

package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

func TestJobsOfThisProcessRunWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		start := time.Now()
		job := jobs.New[int]("job")
		r := newRig(t, rigConfig{local: true, handlers: []jobs.Handler{job.Handler(func(_ context.Context, n int) error {
			ran.add("%d at %v", n, time.Since(start))
			return nil
		})}})
		for _, n := range []int{3, 1, 0, 2, 100000} {
			must(t, r.Dispatch(t.Context(), job.New(n, jobs.Delay(time.Duration(n)*time.Minute))))
			synctest.Wait()
		}
		<-time.After(100000 * time.Minute)
		synctest.Wait()
		ran.expect(t, "0 at 0s", "1 at 1m0s", "2 at 2m0s", "3 at 3m0s", "100000 at 1666h40m0s")
	})
}

func TestDispatchOutlivesTheCallerAndKeepsItsValues(t *testing.T) {
	t.Parallel()
	type key struct{}
	job := jobs.New[int]("job")
	gone := make(chan struct{})
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(ctx context.Context, _ int) error {
		<-gone
		if ctx.Err() != nil || ctx.Value(key{}) != "value" {
			return fmt.Errorf("%w, value %v", ctx.Err(), ctx.Value(key{}))
		}
		return nil
	})}})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	f := r.DispatchAsync(ctx, job.New(1))
	cancel()
	close(gone)
	must(t, awaitError(f))
}

// The only worker's job awaits another job, which waits for its time and for the worker.
func TestAJobMayAwaitAnotherOnOneWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := jobs.New[int]("inner")
		var r *rig
		var ran trail
		r = newRig(t, rigConfig{pool: goroutine.Config{MaxWorkers: 1}, handlers: []jobs.Handler{
			sendWelcome.Handler(func(ctx context.Context, _ welcome) error {
				_, err := r.DispatchAsync(ctx, inner.New(1, jobs.Delay(time.Minute))).Await(ctx)
				ran.add("outer")
				return err
			}),
			inner.Handler(func(context.Context, int) error { ran.add("inner"); return nil }),
		}})
		must(t, awaitError(r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}))))
		ran.expect(t, "inner", "outer")
	})
}

func TestAHandlerThatEndsItsGoroutineIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int32
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
			if ran.Add(1) < 3 {
				runtime.Goexit()
			}
			return nil
		})}})
		must(t, awaitError(r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}))))
		if ran.Load() != 3 {
			t.Errorf("ran %d times", ran.Load())
		}
		ran.Store(-10)
		err := awaitError(r.DispatchAsync(t.Context(), sendWelcome.New(welcome{})))
		if !errors.Is(err, jobs.ErrTooManyAttempts) || len(r.failed()) != 1 {
			t.Errorf("%v, recorded %v", err, r.failed())
		}
	})
}

// Another listener of the job's event has its own fate.
func TestOtherListenersDoNotRepeatAJobThatIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		core, logs := observer.New(zap.WarnLevel)
		audit := events.On("job.*", "audit", func(context.Context, events.Any) error { ran.add("audit"); return errDown })
		r := newRig(t, rigConfig{
			handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
				ran.add("job")
				return nil
			})},
			listeners: []events.Listener{audit},
			options:   []jobs.DispatcherOption{jobs.WithLogger(zap.New(core))},
		})
		must(t, awaitError(r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}))))
		<-time.After(time.Hour)
		got := ran.all()
		slices.Sort(got)
		if !slices.Equal(got, []string{"audit", "job"}) || logs.FilterMessageSnippet("another listener failed").Len() != 1 {
			t.Errorf("ran %q, logged %v", got, logs.All())
		}
	})
}

func TestStopNamesWhatWaitedAndIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		job := jobs.New[int]("job", jobs.Backoff(time.Hour))
		r := newRig(t, rigConfig{
			local:    true,
			handlers: []jobs.Handler{job.Handler(func(context.Context, int) error { return errDown })},
			options:  []jobs.DispatcherOption{jobs.WithLogger(zap.New(core))},
		})
		later := job.New(1, jobs.Delay(24*time.Hour))
		f := r.DispatchAsync(t.Context(), later)
		<-time.After(time.Minute)
		again := job.New(2)
		g := r.DispatchAsync(t.Context(), again)
		<-time.After(time.Minute)
		before := time.Now()
		err := r.Stop(t.Context())
		if time.Since(before) > 0 {
			t.Errorf("stop took %v though nothing ran", time.Since(before))
		}
		left, ok := errors.AsType[*jobs.UnfinishedError](err)
		if !ok || !errors.Is(err, jobs.ErrStopped) {
			t.Fatalf("stop: %v", err)
		}
		want := []jobs.UnfinishedJob{
			{Name: "job", ID: later.ID(), Attempt: 1, Age: 2 * time.Minute},
			{Name: "job", ID: again.ID(), Attempt: 2, Age: time.Minute},
		}
		if !slices.Equal(left.Jobs, want) {
			t.Errorf("left %+v, want %+v", left.Jobs, want)
		}
		expectError(t, err, "stop left 2 job(s)", "which are lost", "job "+later.ID()+" (waiting, attempt 1, 2m0s)")
		for _, f := range []*goroutine.Future[struct{}]{f, g, r.DispatchAsync(t.Context(), job.New(3))} {
			if err := awaitError(f); !errors.Is(err, jobs.ErrStopped) {
				t.Errorf("a future has %v", err)
			}
		}
		if err := r.Dispatch(t.Context(), job.New(4)); !errors.Is(err, jobs.ErrStopped) {
			t.Errorf("dispatched after the stop: %v", err)
		}
		if logs.Len() != 1 {
			t.Errorf("logged %v", logs.All())
		}
		must(t, r.Stop(t.Context())) // told once
	})
}

func TestStopLetsRunningJobsEndAndCancelsThemInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := jobs.New[time.Duration]("job", jobs.Backoff(0))
		var causes sync.Map
		deaf := make(chan struct{})
		r := newRig(t, rigConfig{config: jobs.Config{ShutdownTimeout: 10 * time.Second}, handlers: []jobs.Handler{
			job.Handler(func(ctx context.Context, d time.Duration) error {
				switch d {
				case -1:
					<-deaf
					return nil
				case -2:
					<-time.After(time.Second)
					return errDown // and would be tried again
				}
				select {
				case <-time.After(d):
					return nil
				case <-ctx.Done():
					causes.Store(d, context.Cause(ctx))
					return ctx.Err()
				}
			}),
		}})
		futures := map[time.Duration]*goroutine.Future[struct{}]{}
		for _, d := range []time.Duration{5 * time.Second, time.Hour, -1, -2} {
			futures[d] = r.DispatchAsync(t.Context(), job.New(d))
		}
		synctest.Wait()
		before := time.Now()
		err := r.Stop(t.Context())
		if took := time.Since(before); took != 10*time.Second {
			t.Errorf("stop took %v", took)
		}
		left, _ := errors.AsType[*jobs.UnfinishedError](err)
		if left == nil || len(left.Jobs) != 3 || !left.Jobs[0].Running || !left.Jobs[1].Running || left.Jobs[2].Running || left.Jobs[2].Attempt != 2 {
			t.Errorf("stop: %+v", left)
		}
		must(t, awaitError(futures[5*time.Second]))
		for _, d := range []time.Duration{time.Hour, -1, -2} {
			if err := awaitError(futures[d]); !errors.Is(err, jobs.ErrStopped) {
				t.Errorf("%v: future has %v", d, err)
			}
		}
		if err := awaitError(futures[-2]); !errors.Is(err, errDown) {
			t.Errorf("the attempt's error is lost: %v", err)
		}
		synctest.Wait()
		if got, _ := causes.Load(time.Hour); got != any(jobs.ErrStopped) {
			t.Errorf("cancelled with %v", got)
		}
		close(deaf)
		synctest.Wait()
		must(t, r.Stop(t.Context()))
	})
}

func TestStopObeysItsContextToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{config: jobs.Config{ShutdownTimeout: -1}, handlers: []jobs.Handler{
			sendWelcome.Handler(func(ctx context.Context, _ welcome) error { <-ctx.Done(); return ctx.Err() }),
		}})
		for range 30 {
			r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		before := time.Now()
		err := r.Stop(ctx)
		if time.Since(before) != 3*time.Second {
			t.Errorf("stop took %v", time.Since(before))
		}
		expectError(t, err, "stop left 30 job(s)", "and 20 more")
		if strings.Count(err.Error(), "send-welcome") != 10 {
			t.Errorf("%v names not ten", err)
		}
	})
}

func TestStopWithoutStartAndWithoutWork(t *testing.T) {
	t.Parallel()
	d, err := jobs.NewDispatcher(jobs.Config{}, newRig(t, rigConfig{}).pool, events.NewRelay())
	must(t, err)
	must(t, d.Stop(t.Context()))
	must(t, d.Stop(t.Context()))
}

// A pool that is gone before the dispatcher leaves no future open.
func TestAPoolThatIsGoneRefusesJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error { return nil })}})
		waits := r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}, jobs.Delay(time.Minute)))
		must(t, r.pool.Stop(t.Context()))
		for _, f := range []*goroutine.Future[struct{}]{r.DispatchAsync(t.Context(), sendWelcome.New(welcome{})), waits} {
			if err := awaitError(f); !errors.Is(err, goroutine.ErrStopped) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// Everything at once: dispatch from many goroutines, some delayed, some failing, and a stop in the middle. Each
// future resolves, and each job is done, failed, refused or named by the stop.
func TestNoJobOfThisProcessGoesMissing(t *testing.T) {
	t.Parallel()
	job := jobs.New[int]("job", jobs.Backoff(0, time.Millisecond), jobs.MaxAttempts(3))
	var done atomic.Int64
	r := newRig(t, rigConfig{pool: goroutine.Config{MaxWorkers: 4, QueueSize: 10}, handlers: []jobs.Handler{job.Handler(func(_ context.Context, n int) error {
		switch n % 5 {
		case 0:
			return errDown
		case 1:
			return events.Permanent(errDown)
		}
		done.Add(1)
		return nil
	})}})
	const dispatchers, each = 8, 200
	var all sync.WaitGroup
	futures := make([][]*goroutine.Future[struct{}], dispatchers)
	stopped := make(chan error)
	for i := range dispatchers {
		all.Go(func() {
			for n := range each {
				var opts []jobs.Option
				if n%3 == 0 {
					opts = append(opts, jobs.Delay(time.Duration(n)*100*time.Microsecond))
				}
				futures[i] = append(futures[i], r.DispatchAsync(t.Context(), job.New(n, opts...)))
				if i == 0 && n == each/2 {
					go func() { stopped <- r.Stop(context.Background()) }()
				}
			}
		})
	}
	all.Wait()
	err := <-stopped
	left := 0
	if unfinished, ok := errors.AsType[*jobs.UnfinishedError](err); ok {
		left = len(unfinished.Jobs)
	}
	counts := map[string]int{}
	for _, f := range slices.Concat(futures...) {
		_, err, resolved := f.Poll()
		switch {
		case !resolved:
			counts["open"]++
		case err == nil:
			counts["done"]++
		case errors.Is(err, jobs.ErrStopped):
			counts["stopped"]++
		case errors.Is(err, errDown):
			counts["failed"]++
		default:
			t.Errorf("a future has %v", err)
		}
	}
	if counts["open"] > 0 || counts["done"] != int(done.Load()) || counts["failed"] != len(r.failed()) || counts["stopped"] < left {
		t.Errorf("%v; %d done, %d recorded as failed, %d named by the stop", counts, done.Load(), len(r.failed()), left)
	}
}

// An event that goes straight to the bus is no part of the job whose handler sends it there.
func TestAJobPublishedByAHandlerToTheBusIsNotTheHandlersOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := jobs.New[int]("inner", jobs.MaxAttempts(1))
		var r *rig
		var ran trail
		r = newRig(t, rigConfig{handlers: []jobs.Handler{
			sendWelcome.Handler(func(ctx context.Context, _ welcome) error {
				n := jobs.Current(ctx).Attempt
				ran.add("outer %d", n)
				if n == 1 {
					return errDown
				}
				err := r.bus.Publish(ctx, events.NewTopic[int]("job.inner").New(1))
				if !errors.Is(err, errDown) || goroutine.IsPermanent(err) {
					t.Errorf("inner: %v", err)
				}
				return nil
			}),
			inner.Handler(func(ctx context.Context, _ int) error {
				ran.add("inner %d", jobs.Current(ctx).Attempt)
				return errDown
			}),
		}})
		must(t, awaitError(r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}))))
		ran.expect(t, "outer 1", "outer 2", "inner 1")
		if len(r.failed()) > 0 {
			t.Errorf("recorded %+v: nobody counts the attempts of what is published to the bus", r.failed())
		}
	})
}

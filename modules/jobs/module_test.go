package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

var (
	askForReview = jobs.New[welcome]("ask-for-review")
	report       = jobs.New[string]("report")
)

// newWelcome is a handler that dispatches.
func newWelcome(r *trail, d *jobs.Dispatcher) jobs.Handler {
	return sendWelcome.Handler(func(ctx context.Context, args welcome) error {
		r.add("welcome %s", args.Email)
		return d.Dispatch(ctx, askForReview.New(args))
	})
}

func newOthers(r *trail) []jobs.Handler {
	return []jobs.Handler{
		askForReview.Handler(func(_ context.Context, args welcome) error { r.add("review %s", args.Email); return nil }),
		report.Handler(func(_ context.Context, s string) error { r.add("report %s", s); return nil }),
	}
}

func modules(opts ...fx.Option) fx.Option {
	return fx.Options(goroutine.Module, events.Module, jobs.Module, fx.Provide(func() *trail { return new(trail) }), fx.Options(opts...))
}

func TestTheModuleRunsWithNothingSupplied(t *testing.T) {
	t.Parallel()
	var d *jobs.Dispatcher
	var r *trail
	byTag := fx.Annotate(newWelcome, fx.ResultTags(`group:"jobs"`))
	app := uberfxtest.New(t, modules(fx.Provide(byTag, jobs.AsHandler(newOthers)), fx.Populate(&d, &r)))
	app.RequireStart()
	must(t, d.Run(t.Context(), sendWelcome.New(welcome{"ada"})))
	must(t, awaitError(d.DispatchAsync(t.Context(), report.New("now"))))
	app.RequireStop()
	got := r.all()
	slices.Sort(got)
	if want := []string{"report now", "review ada", "welcome ada"}; !slices.Equal(got, want) {
		t.Errorf("ran %q", got)
	}
}

func TestAProcessThatOnlyDispatchesNeedsNoHandler(t *testing.T) {
	t.Parallel()
	var d *jobs.Dispatcher
	q := new(queue)
	core, logs := observer.New(zap.InfoLevel)
	app := uberfxtest.New(t, modules(
		fx.Supply(zap.New(core)),
		fx.Provide(func() *queue { return q }), events.PublishVia[*queue](), fx.Populate(&d),
	))
	app.RequireStart()
	must(t, d.Dispatch(t.Context(), sendWelcome.New(welcome{"ada"})))
	app.RequireStop()
	if q.len() != 1 {
		t.Errorf("%d jobs queued", q.len())
	}
	started := logs.FilterMessage("job dispatcher started").All()
	if len(started) != 1 || started[0].ContextMap()["dispatches_to"] != "the queue" || fmt.Sprint(started[0].ContextMap()["max_attempts"]) != "3" {
		t.Errorf("logged %v", logs.All())
	}
}

func TestTheModuleFailsTheStart(t *testing.T) {
	t.Parallel()
	handler := func() jobs.Handler { return report.Handler(func(context.Context, string) error { return nil }) }
	for _, tc := range []struct {
		name string
		opt  fx.Option
		want string
	}{
		{"on two handlers", fx.Provide(jobs.AsHandler(handler), jobs.AsHandler(handler)), `job "report" has two handlers`},
		{"on an empty handler", fx.Provide(jobs.AsHandler(func() jobs.Handler { return jobs.Handler{} })), "handler 1 of 1 is empty"},
		{"on a required one that is missing", fx.Supply(jobs.Config{Require: []string{"report"}}), `job "report" of Config.Require has no handler`},
		{"on a bad config", fx.Supply(jobs.Config{MaxAttempts: -7}), "jobs.Config.MaxAttempts is -7"},
		{"on no constructor", fx.Provide(jobs.AsHandler(42)), "must provide constructor function, got 42"},
		{"on a listener of a job's name", fx.Provide(jobs.AsHandler(handler), events.AsListener(events.On("x", "job.report", func(context.Context, events.Any) error { return nil }))), "the name is taken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			expectError(t, fx.New(fx.NopLogger, modules(tc.opt)).Err(), tc.want)
		})
	}
}

func TestTheModuleTakesTheAppsParts(t *testing.T) {
	t.Parallel()
	var d *jobs.Dispatcher
	store := jobs.NewMemoryFailed()
	app := uberfxtest.New(t, modules(
		fx.Supply(jobs.Config{MaxAttempts: 1, Require: []string{"report"}}),
		fx.Provide(
			func() jobs.FailedStore { return store },
			func() jobs.Locks { return brokenLocks{} },
			func() jobs.BatchStore { return jobs.NewMemoryBatches() },
			jobs.AsHandler(func() jobs.Handler {
				return report.Handler(func(context.Context, string) error { return errDown })
			}),
		),
		fx.Populate(&d),
	))
	app.RequireStart()
	if err := awaitError(d.DispatchAsync(t.Context(), report.New(""))); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	expectError(t, d.Dispatch(t.Context(), report.New("", jobs.UniqueFor(1))), "connection refused")
	app.RequireStop()
	n := 0
	for _, err := range store.List(t.Context()) {
		must(t, err)
		n++
	}
	if n != 1 {
		t.Errorf("%d failures in the app's store, after one attempt", n)
	}
}

func TestTheStopNamesJobsThatAreLost(t *testing.T) {
	t.Parallel()
	var d *jobs.Dispatcher
	app := uberfxtest.New(t, modules(fx.Provide(jobs.AsHandler(newOthers)), fx.Populate(&d)))
	app.RequireStart()
	must(t, d.Dispatch(t.Context(), report.New("later", jobs.Delay(time.Hour))))
	err := app.Stop(t.Context())
	if expectError(t, err, "stop left 1 job(s)", "report"); !errors.Is(err, jobs.ErrStopped) || strings.Contains(err.Error(), "abandoned") {
		t.Errorf("stop: %v", err)
	}
}

func TestAnAppThatFailedToStartStops(t *testing.T) {
	t.Parallel()
	app := fx.New(fx.NopLogger, modules(fx.Provide(jobs.AsHandler(newOthers)), fx.Invoke(func(lc fx.Lifecycle) {
		lc.Append(fx.StartHook(func() error { return errDown }))
	})))
	if err := app.Start(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("start: %v", err)
	}
	must(t, app.Stop(t.Context()))
}

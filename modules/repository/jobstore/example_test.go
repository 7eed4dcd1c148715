package jobstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/jobstore"
)

var BuildReport = jobs.New[string]("build-report", jobs.UniqueFor(time.Hour))

// The jobs of an app whose processes share a database. Here that is SQLite in memory; repository.Config names
// yours.
func Example() {
	app := fx.New(
		fx.NopLogger,
		goroutine.Module, events.Module, repository.Module, jobs.Module, jobstore.Module,
		fx.Provide(jobs.AsHandler(func() jobs.Handler {
			return BuildReport.Handler(func(_ context.Context, month string) error {
				return events.Permanent(fmt.Errorf("no figures for %s", month))
			})
		})),
		fx.Invoke(func(lc fx.Lifecycle, d *jobs.Dispatcher) {
			lc.Append(fx.StartHook(func(ctx context.Context) error {
				_, err := d.DispatchAsync(ctx, BuildReport.New("May")).Await(ctx)
				fmt.Println(err)
				for job, err := range d.Failed(ctx) { // in any process
					fmt.Println(job.Name, string(job.Args), job.Attempts, err)
				}
				return nil
			}))
		}),
	)
	if err := errors.Join(app.Start(context.Background()), app.Stop(context.Background())); err != nil {
		fmt.Println(err)
	}
	// Output:
	// job "build-report" failed after 1 attempt(s): no figures for May
	// build-report "May" 1 <nil>
}

// Without Fx.
func ExampleNew() {
	ctx := context.Background()
	db, err := repository.NewDB(repository.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := db.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Stop(ctx) }()
	stores, err := jobstore.New(db, jobstore.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := stores.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = stores.Stop(ctx) }()

	options := []jobs.DispatcherOption{
		jobs.WithLocks(stores.Locks), jobs.WithFailedStore(stores.Failed), jobs.WithBatchStore(stores.Batches),
	}
	fmt.Println(len(options), "options for jobs.NewDispatcher")
	// Output: 3 options for jobs.NewDispatcher
}

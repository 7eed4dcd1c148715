package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

type WelcomeArgs struct {
	Email string `json:"email"`
}

// The job's name and its arguments, bound once, with its defaults.
var SendWelcome = jobs.New[WelcomeArgs]("send-welcome", jobs.MaxAttempts(5), jobs.Timeout(30*time.Second))

type Mailer struct{}

func NewMailer() *Mailer { return new(Mailer) }

func (*Mailer) Welcome(_ context.Context, address string) error {
	_, err := fmt.Fprintln(os.Stdout, "welcome,", address)
	return err
}

func NewSendWelcome(m *Mailer) jobs.Handler {
	return SendWelcome.Handler(func(ctx context.Context, args WelcomeArgs) error {
		return m.Welcome(ctx, args.Email) // runs on the pool
	})
}

// A job in an Fx app. Whoever takes a *jobs.Dispatcher may dispatch it: on SQS if the app's publisher leads
// there, in this process otherwise, as here.
func Example() {
	app := fx.New(
		fx.NopLogger,
		goroutine.Module, events.Module, jobs.Module,
		fx.Provide(NewMailer, jobs.AsHandler(NewSendWelcome)),
		fx.Invoke(func(lc fx.Lifecycle, d *jobs.Dispatcher) {
			lc.Append(fx.StartHook(func(ctx context.Context) error {
				return d.Dispatch(ctx, SendWelcome.New(WelcomeArgs{Email: "ada@example.org"}))
			}))
		}),
	)
	if err := errors.Join(app.Start(context.Background()), app.Stop(context.Background())); err != nil {
		fmt.Println(err)
	}
	// Output: welcome, ada@example.org
}

// start makes a dispatcher without Fx, for the examples below.
func start(handlers ...jobs.Handler) (d *jobs.Dispatcher, stop func()) {
	ctx := context.Background()
	pool, err := goroutine.NewPool(goroutine.Config{})
	if err != nil {
		panic(err)
	}
	relay := events.NewRelay()
	d, err = jobs.NewDispatcher(jobs.Config{}, pool, relay)
	if err != nil {
		panic(err)
	}
	listeners, err := d.Listeners(handlers...)
	if err != nil {
		panic(err)
	}
	bus, err := events.NewBus(events.Config{}, pool, listeners, events.WithRelay(relay))
	if err != nil {
		panic(err)
	}
	d.Bind(bus)
	if err := pool.Start(ctx); err != nil {
		panic(err)
	}
	return d, func() {
		if err := errors.Join(d.Stop(ctx), bus.Stop(ctx), pool.Stop(ctx)); err != nil {
			panic(err)
		}
	}
}

func ExampleDispatcher_Run() {
	d, stop := start(NewSendWelcome(NewMailer()))
	defer stop()
	err := d.Run(context.Background(), SendWelcome.New(WelcomeArgs{Email: "ada@example.org"}))
	fmt.Println("here and now:", err)
	// Output:
	// welcome, ada@example.org
	// here and now: <nil>
}

func ExampleDispatcher_DispatchAsync() {
	flaky := jobs.New[string]("flaky", jobs.Backoff(time.Millisecond))
	d, stop := start(flaky.Handler(func(ctx context.Context, _ string) error {
		if n := jobs.Current(ctx).Attempt; n < 3 {
			return fmt.Errorf("attempt %d failed", n)
		}
		fmt.Println("done in attempt", jobs.Current(ctx).Attempt)
		return nil
	}))
	defer stop()
	ctx := context.Background()
	future := d.DispatchAsync(ctx, flaky.New("x"))
	_, err := future.Await(ctx)
	fmt.Println(err)
	// Output:
	// done in attempt 3
	// <nil>
}

func ExampleChain() {
	resize := jobs.New[string]("resize")
	publish := jobs.New[string]("publish")
	say := func(what string) func(context.Context, string) error {
		return func(_ context.Context, image string) error {
			fmt.Println(what, image)
			return nil
		}
	}
	d, stop := start(resize.Handler(say("resized")), publish.Handler(say("published")))
	defer stop()
	ctx := context.Background()
	_, err := d.DispatchAsync(ctx, jobs.Chain(resize.New("a.png"), publish.New("a.png"))).Await(ctx)
	fmt.Println(err)
	// Output:
	// resized a.png
	// published a.png
	// <nil>
}

func ExampleDispatcher_DispatchBatch() {
	row := jobs.New[int]("import-row", jobs.MaxAttempts(1))
	finished := jobs.New[string]("import-finished")
	over := make(chan struct{})
	var d *jobs.Dispatcher
	d, stop := start(
		row.Handler(func(_ context.Context, n int) error {
			if n == 3 {
				return errors.New("row 3 is broken")
			}
			return nil
		}),
		finished.Handler(func(_ context.Context, name string) error {
			fmt.Println(name, "is finished")
			close(over)
			return nil
		}),
	)
	defer stop()
	ctx := context.Background()
	id, err := d.DispatchBatch(ctx, jobs.Batch{
		Name:    "import",
		Jobs:    []jobs.Task{row.New(1), row.New(2), row.New(3)},
		Finally: finished.New("import"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-over
	b, err := d.Batch(ctx, id)
	fmt.Println(b.Done, "done,", b.Failed, "failed,", b.Pending(), "pending,", err)
	// Output:
	// import is finished
	// 2 done, 1 failed, 0 pending, <nil>
}

// What has failed for good is kept, and can be tried again.
func ExampleDispatcher_Retry() {
	down := true
	charge := jobs.New[int]("charge", jobs.MaxAttempts(1))
	d, stop := start(charge.Handler(func(_ context.Context, cents int) error {
		if down {
			return errors.New("the bank is closed")
		}
		fmt.Println("charged", cents)
		return nil
	}))
	defer stop()
	ctx := context.Background()
	_, err := d.DispatchAsync(ctx, charge.New(995)).Await(ctx)
	fmt.Println(err)
	down = false
	for job, err := range d.Failed(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(job.Name, string(job.Args), job.Error)
		if err := d.Retry(ctx, job.ID); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// job "charge" failed after 1 attempt(s): the bank is closed
	// charge 995 the bank is closed
	// charged 995
}

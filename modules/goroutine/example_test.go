package goroutine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/goroutine"
)

func newPool() (pool *goroutine.Pool, stop func()) {
	pool, err := goroutine.NewPool(goroutine.Config{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := pool.Start(ctx); err != nil {
		panic(err)
	}
	return pool, func() {
		if err := pool.Stop(ctx); err != nil {
			panic(err)
		}
	}
}

// In an Fx app the module needs nothing; a Config changes the defaults.
func Example() {
	app := fx.New(
		fx.NopLogger,
		goroutine.Module,
		fx.Supply(goroutine.Config{MaxWorkers: 20}),
		fx.Invoke(func(pool *goroutine.Pool) {
			fmt.Println("limit:", pool.Stats().Limit)
		}),
	)
	fmt.Println("error:", app.Err())
	// Output:
	// limit: 20
	// error: <nil>
}

func ExamplePool_Go() {
	pool, stop := newPool()
	defer stop() // waits for the task
	ctx := context.Background()

	// The task keeps ctx's values and outlives its cancellation, so a handler may return before it.
	err := pool.Go(ctx, func(context.Context) error {
		fmt.Println("sending the mail")
		return nil
	})
	if errors.Is(err, goroutine.ErrStopped) {
		fmt.Println("too late")
	}
	// Output: sending the mail
}

func ExamplePool_Parallel() {
	pool, stop := newPool()
	defer stop()
	ctx := context.Background()

	errs := pool.Parallel(ctx,
		func(context.Context) error { return nil },
		func(context.Context) error { return errors.New("no stock") },
		func(context.Context) error { panic("bug") },
	)
	for i, err := range errs {
		fmt.Println(i, err)
	}
	// Output:
	// 0 <nil>
	// 1 no stock
	// 2 goroutine: task panicked: bug
}

func ExampleAsync() {
	pool, stop := newPool()
	defer stop()
	ctx := context.Background()

	price := goroutine.Async(ctx, pool, func(context.Context) (int, error) { return 40, nil })
	taxes := goroutine.Async(ctx, pool, func(context.Context) (int, error) { return 2, nil })

	sum := 0
	for _, f := range []*goroutine.Future[int]{price, taxes} {
		v, err := f.Await(ctx)
		if err != nil {
			fmt.Println(err)
		}
		sum += v
	}
	fmt.Println(sum)
	// Output: 42
}

func ExampleAny() {
	pool, stop := newPool()
	defer stop()
	ctx := context.Background()

	ask := func(mirror string) *goroutine.Future[string] {
		return goroutine.Async(ctx, pool, func(context.Context) (string, error) {
			if mirror == "broken" {
				return "", errors.New("connection refused")
			}
			return mirror, nil
		})
	}
	fmt.Println(goroutine.Any(ctx, ask("broken"), ask("good")))
	// Output: good <nil>
}

func ExampleMap() {
	pool, stop := newPool()
	defer stop()

	lengths, err := goroutine.Map(context.Background(), pool, []string{"one", "three", "fifteen"},
		func(_ context.Context, word string) (int, error) { return len(word), nil })
	fmt.Println(lengths, err)
	// Output: [3 5 7] <nil>
}

func ExampleBatchSeq() {
	pool, stop := newPool()
	defer stop()

	rows := slices.Values([]int{1, 2, 3, 4, 5})
	sums := make(chan int, 3)
	err := goroutine.BatchSeq(context.Background(), pool, rows, 2, func(_ context.Context, batch []int) error {
		sum := 0
		for _, v := range batch {
			sum += v
		}
		sums <- sum
		return nil
	})
	fmt.Println(<-sums+<-sums+<-sums, err)
	// Output: 15 <nil>
}

func ExampleRetry() {
	attempts := 0
	err := goroutine.Retry(context.Background(), goroutine.RetryPolicy{MaxAttempts: 5, Delay: time.Millisecond},
		func(context.Context) error {
			attempts++
			switch attempts {
			case 1:
				return errors.New("connection reset")
			case 2:
				return goroutine.RetryAfter(errors.New("throttled"), 2*time.Millisecond)
			default:
				return goroutine.Permanent(errors.New("no such user"))
			}
		})
	fmt.Println(attempts, err)
	// Output: 3 no such user
}

func ExampleBreaker() {
	breaker, err := goroutine.NewBreaker(goroutine.BreakerConfig{Name: "billing", Failures: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		err = breaker.Do(context.Background(), func(context.Context) error { return errors.New("timeout") })
		fmt.Println(err, errors.Is(err, goroutine.ErrBreakerOpen))
	}
	// Output:
	// timeout false
	// timeout false
	// goroutine: breaker is open: billing true
}

// A consumer reserves slots before it asks for messages, so it never receives what it cannot start.
func ExamplePool_Reserve() {
	pool, stop := newPool()
	defer stop()
	ctx := context.Background()

	slots, err := pool.Reserve(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer slots.Release()
	messages := []string{"hello"} // receive(slots.Len())
	for _, m := range messages {
		if err := slots.Go(ctx, func(context.Context) error { fmt.Println(m); return nil }); err != nil {
			fmt.Println(err)
		}
	}
	// Output: hello
}

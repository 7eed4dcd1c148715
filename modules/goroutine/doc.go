// Package goroutine is the bounded worker pool that all fxpond modules share.
//
// pond runs the workers. What services need around it lives here: admission that takes a context,
// joins that cannot deadlock, futures that always resolve, slots that can be reserved, a limit that
// follows the load, books that balance at any moment, and a Stop that says what it left behind.
//
// # Promises
//
//   - No call of a task to its own pool deadlocks it, at any depth, with one worker: whoever waits
//     inside the pool runs what it waits for, or lends its slot to other work meanwhile. (Reserve is the
//     exception: it waits for slots besides the task's own.)
//   - A panic or a runtime.Goexit ends one task, never the pool.
//   - Submitted = completed + failed + rejected + abandoned + waiting + running, at any moment.
//   - After Stop, an *AbandonedError names every task that was not finished; nil means none.
//
// # Start and stop
//
// In an Fx app add Module. Elsewhere:
//
//	pool, err := goroutine.NewPool(goroutine.Config{})
//	...
//	err = pool.Start(ctx)
//	defer pool.Stop(ctx)
//
//	err = pool.Go(ctx, func(ctx context.Context) error { return mail.Send(ctx, m) })
//
// # Why the queue is ours
//
// pond's first-in, first-out queue can neither start a reserved task at once, nor give back a task
// that its joiner wants to run, nor say what is left in it at Stop. So tasks wait here, under one
// lock with the counters, and pond gets long-lived workers: one call of its Go for each worker's life,
// its Resize for each move of the limit. A worker that stays also keeps the stack that its tasks have
// grown, which is what MinWorkers and IdleTimeout are for.
//
// # Cost
//
// Submitting and running an empty task takes about as long as with pond alone, and a join of eight a
// third of what eight goroutines take (bench/goroutine). A task allocates its context, 48 bytes, unless
// the worker's last task had the same one from its caller. Above 100,000 tasks a second the clock is
// read for one task in 32, so waits and durations are then samples.
package goroutine

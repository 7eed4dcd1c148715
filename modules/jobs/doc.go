// Package jobs runs units of work that have exactly one handler: here and now, soon in this process, or on
// the queue, now or later.
//
//	var SendWelcome = jobs.New[WelcomeArgs]("send-welcome", jobs.MaxAttempts(5), jobs.Timeout(30*time.Second))
//
//	func NewSendWelcome(m *Mailer) jobs.Handler {
//		return SendWelcome.Handler(func(ctx context.Context, args WelcomeArgs) error {
//			return m.Welcome(ctx, args.Email)
//		})
//	}
//
//	fx.New(goroutine.Module, events.Module, sqs.Module, jobs.Module, events.PublishVia[*sqs.Publisher](),
//		fx.Provide(NewMailer, jobs.AsHandler(NewSendWelcome)))
//
//	err := dispatcher.Dispatch(ctx, SendWelcome.New(WelcomeArgs{Email: "ada@example.org"}, jobs.Delay(24*time.Hour)))
//
// # Where a job runs
//
//   - Run: here and now. One attempt, whose error is returned.
//   - DispatchAsync: on this process's pool, with retries and delay. It returns a future.
//   - Dispatch: on the queue, through the app's events.Publisher: SQS, or an outbox in front of it. If that is
//     the bus of this process, on this process's pool.
//
// A job travels as the event "job.<name>", so that whatever holds for events holds for jobs: leases, ledger,
// dead-letter queue, traces, typed payloads, breakers, middleware.
//
// # Promises
//
//   - A job that a queue has accepted is done at least once, or is recorded as failed and ends in the
//     dead-letter queue. Duplicates happen; the ledger drops those it knows of.
//   - Jobs of this process are kept nowhere: a crash loses those that wait or run, and Stop names those that it
//     had to leave.
//   - What follows a job, the rest of its chain or its batch's callbacks, is queued before the job is
//     acknowledged, under an ID that was fixed before. A crash can double it, not lose it.
//   - A delay may be of any length. Who receives a job early sends it on before acknowledging it; that spends
//     no attempt, and neither does an open breaker.
//   - A job has one handler: two fail the start. A job that reaches a process without its handler stays in the
//     queue, whatever wildcards select its event. Config.Require names jobs that must have one.
//   - After its last attempt a job is in the FailedStore, with arguments and error, whatever else fails: if it
//     cannot be recorded its message comes back.
//
// Locks, failed jobs and batches are kept in memory by default: by each process for itself, until it ends.
// Where several processes share them, package repository/jobstore keeps them in a database; others supply Locks,
// FailedStore and BatchStore, and package jobstest holds the suites that those must pass.
//
// # Attempts
//
// On SQS an attempt is a receive, whether or not a handler was started: one that killed its process counts, so
// that it cannot do so for ever, and so does one given back by a stop. Where the queue's maxReceiveCount is lower
// than MaxAttempts, the job is sent again before SQS would take it away, and its attempts count on; only one whose
// last receive ends without an answer is dead-lettered by SQS, unrecorded. Behind an outbox that publishes to the
// bus nobody counts: a job is retried until it is done or fails permanently.
//
// # Start and stop
//
// A Dispatcher works as soon as it is bound to a bus. Stop refuses new jobs of this process, drops those that
// wait, lets those that run end within Config.ShutdownTimeout, and reports. One goroutine lives while jobs of
// this process wait for their time; all else runs on the pool or on the caller.
//
// # Dependencies
//
// google/uuid makes time-ordered IDs, the OpenTelemetry API counts, zap logs.
package jobs

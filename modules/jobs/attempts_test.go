package jobs_test

import (
	"context"
	"errors"
	"iter"
	"strings"
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

func TestAJobIsTriedWithPausesAndThenRecordedAndDeadLettered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		start := time.Now()
		core, logs := observer.New(zap.WarnLevel)
		job := jobs.New[welcome]("job", jobs.Backoff(10*time.Second, time.Minute), jobs.MaxAttempts(4))
		r := newRig(t, rigConfig{
			handlers: []jobs.Handler{job.Handler(func(ctx context.Context, args welcome) error {
				ran.add("%s %d %v", args.Email, jobs.Current(ctx).Attempt, time.Since(start))
				return errDown
			})},
			options: []jobs.DispatcherOption{jobs.WithLogger(zap.New(core))},
		})
		task := job.New(welcome{"ada"})
		must(t, r.Dispatch(t.Context(), task))
		r.consume()
		ran.expect(t, "ada 1 0s", "ada 2 10s", "ada 3 1m10s", "ada 4 2m10s")
		if len(r.queue.dead) != 1 || r.queue.dead[0].ID != task.ID() {
			t.Errorf("dead letters: %v", r.queue.dead)
		}
		failed := r.failed()
		if len(failed) != 1 {
			t.Fatalf("recorded %+v", failed)
		}
		got := failed[0]
		if got.ID != task.ID() || got.Name != "job" || got.Attempts != 4 || string(got.Args) != `{"email":"ada"}` ||
			got.Error != "mail is down" || !got.At.Equal(time.Now()) || got.Envelope != "" {
			t.Errorf("recorded %+v", got)
		}
		if logs.FilterMessage("job failed").Len() != 1 {
			t.Errorf("logged %v", logs.All())
		}
	})
}

func TestWhatAHandlerAnswersDecides(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers []error // the last one repeats
		max     int
		ran     int
		took    time.Duration
		failed  string // what the record says; "" if there must be none
	}{
		"done":                      {[]error{nil}, 3, 1, 0, ""},
		"permanent":                 {[]error{events.Permanent(errDown)}, 3, 1, 0, "mail is down"},
		"skipped":                   {[]error{events.Skip(errDown)}, 3, 1, 0, ""},
		"retry after":               {[]error{events.RetryAfter(errDown, 7*time.Hour), nil}, 3, 2, 7 * time.Hour, ""},
		"retry after, the last try": {[]error{events.RetryAfter(errDown, time.Hour)}, 2, 2, time.Hour, "mail is down"},
		"no limit":                  {append(repeat(errDown, 40), nil), -1, 41, 40 * time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, local := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					job := jobs.New[int]("job", jobs.Backoff(time.Minute), jobs.MaxAttempts(tc.max))
					ran, start := 0, time.Now()
					r := newRig(t, rigConfig{local: local, handlers: []jobs.Handler{job.Handler(func(context.Context, int) error {
						ran++
						return tc.answers[min(ran, len(tc.answers))-1]
					})}})
					if local {
						err := awaitError(r.DispatchAsync(t.Context(), job.New(1)))
						if (err != nil) != (tc.failed != "") || err != nil && !errors.Is(err, errDown) {
							t.Errorf("the future has %v", err)
						}
					} else {
						must(t, r.Dispatch(t.Context(), job.New(1)))
						r.consume()
						if (len(r.queue.dead) == 1) != (tc.failed != "") {
							t.Errorf("dead letters: %v", r.queue.dead)
						}
					}
					if ran != tc.ran || time.Since(start) != tc.took {
						t.Errorf("local %v: ran %d times in %v, want %d in %v", local, ran, time.Since(start), tc.ran, tc.took)
					}
					failed := r.failed()
					if (len(failed) == 1) != (tc.failed != "") || len(failed) == 1 && failed[0].Error != tc.failed {
						t.Errorf("local %v: recorded %+v", local, failed)
					}
				})
			}
		})
	}
}

func repeat(err error, n int) (all []error) {
	for range n {
		all = append(all, err)
	}
	return all
}

func TestPanicsAreFailedAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error { panic("ouch") })}})
		must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{})))
		r.consume()
		if failed := r.failed(); len(failed) != 1 || failed[0].Attempts != 3 || !strings.Contains(failed[0].Error, "ouch") {
			t.Errorf("recorded %+v", failed)
		}
	})
}

func TestPayloadsThatAreNotTheHandlersFailAtOnceAndAreKept(t *testing.T) {
	t.Parallel()
	var ran trail
	r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
		ran.add("ran")
		return nil
	}, events.Validate())}})
	must(t, r.Dispatch(t.Context(), jobs.New[[]int]("send-welcome").New([]int{1}), sendWelcome.New(welcome{})))
	foreign := events.NewTopic[welcome]("job.send-welcome")
	must(t, r.queue.Publish(t.Context(), foreign.New(welcome{"ada"}), foreign.New(welcome{"bob"}, events.WithMetadata("fxpond.job", "no envelope"))))
	r.consume()
	ran.expect(t, "ran") // what another system sends is a job like any other
	failed := r.failed()
	if len(failed) != 2 || len(r.queue.dead) != 3 {
		t.Fatalf("recorded %+v, dead letters %v", failed, r.queue.dead)
	}
	for i, want := range []struct{ args, err string }{{"[1]", "wants jobs_test.welcome, got JSON array"}, {`{"email":""}`, "email breaks required"}} {
		if string(failed[i].Args) != want.args || !strings.Contains(failed[i].Error, want.err) || failed[i].Attempts != 1 {
			t.Errorf("recorded %+v, want %v", failed[i], want)
		}
	}
}

func TestTimeoutBoundsEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := jobs.New[bool]("job", jobs.Timeout(30*time.Second), jobs.MaxAttempts(2), jobs.Backoff(0))
		r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(ctx context.Context, obedient bool) error {
			select {
			case <-ctx.Done():
				if !errors.Is(context.Cause(ctx), events.ErrTimeout) {
					t.Errorf("cause %v", context.Cause(ctx))
				}
				if obedient {
					return ctx.Err()
				}
				return nil
			case <-time.After(time.Minute):
				return nil
			}
		})}})
		run := func(task jobs.Task, want time.Duration) {
			t.Helper()
			before := time.Now()
			err := r.Run(t.Context(), task)
			if took := time.Since(before); took != want {
				t.Errorf("took %v, want %v: %v", took, want, err)
			}
		}
		run(job.New(true), 30*time.Second)
		run(job.New(false), 30*time.Second)
		run(job.New(true, jobs.Timeout(10*time.Second)), 10*time.Second)
		run(job.New(true, jobs.Timeout(time.Hour)), time.Minute)
		start := time.Now()
		must(t, r.Dispatch(t.Context(), job.New(true)))
		r.consume()
		if failed := r.failed(); len(failed) != 1 || !strings.Contains(failed[0].Error, `timed out: job "job" took longer than 30s`) {
			t.Errorf("recorded %+v", failed)
		}
		if took := time.Since(start); took < time.Minute || took > 62*time.Second {
			t.Errorf("two attempts took %v", took)
		}
	})
}

// A message that killed its consumer again and again must not do so for ever.
func TestDeliveriesWithoutAnAnswerCount(t *testing.T) {
	t.Parallel()
	var ran trail
	r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
		ran.add("ran")
		return nil
	})}})
	must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{"third"}), sendWelcome.New(welcome{"fourth"})))
	r.queue.messages[0].receives = 2
	r.queue.messages[1].receives = 3
	r.consume()
	ran.expect(t, "ran")
	if failed := r.failed(); len(failed) != 1 || string(failed[0].Args) != `{"email":"fourth"}` || !strings.Contains(failed[0].Error, "too many attempts") {
		t.Errorf("recorded %+v", failed)
	}
}

// Cut off by a stop or a lost lease, a job has not failed, whichever attempt it was.
func TestAnAttemptThatIsCutOffIsNoFailure(t *testing.T) {
	t.Parallel()
	job := jobs.New[int]("job", jobs.MaxAttempts(1))
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, rigConfig{handlers: []jobs.Handler{job.Handler(func(ctx context.Context, _ int) error {
		cancel()
		return ctx.Err()
	})}})
	must(t, r.Dispatch(t.Context(), job.New(1)))
	r.queue.deliver(ctx, r.bus)
	if r.queue.len() != 1 || len(r.failed()) > 0 {
		t.Errorf("%d in the queue, recorded %v", r.queue.len(), r.failed())
	}
}

// While a breaker is open jobs wait, and have all their attempts left when it closes.
func TestAnOpenBreakerSpendsNoAttempts(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			job := jobs.New[int]("job", jobs.MaxAttempts(2), jobs.Backoff(time.Second))
			var down atomic.Bool
			down.Store(true)
			var ran trail
			r := newRig(t, rigConfig{local: local, handlers: []jobs.Handler{job.Handler(func(ctx context.Context, n int) error {
				ran.add("%d: %d", n, jobs.Current(ctx).Attempt)
				if down.Load() {
					return errDown
				}
				return nil
			}, events.Breaker(goroutine.BreakerConfig{Failures: 1, OpenFor: time.Minute}))}})
			time.AfterFunc(10*time.Minute+time.Second, func() { down.Store(false) })
			must(t, r.Dispatch(t.Context(), job.New(1))) // opens it, and probes until it fails
			if !local {
				r.queue.deliver(t.Context(), r.bus)
			}
			synctest.Wait()
			must(t, r.Dispatch(t.Context(), job.New(2)))
			r.consume()
			<-time.After(time.Hour)
			all := ran.all()
			if len(all) < 3 || all[len(all)-1] != "2: 1" && all[len(all)-1] != "2: 2" {
				t.Errorf("local %v: ran %q", local, all)
			}
			tries := map[string]int{}
			for _, s := range all {
				if tries[s]++; tries[s] > 1 {
					t.Errorf("local %v: attempt %q twice", local, s)
				}
			}
		})
	}
}

// flakyFailed is a store that fails while told so.
type flakyFailed struct {
	jobs.FailedStore
	broken atomic.Bool
}

func (f *flakyFailed) Add(ctx context.Context, job jobs.FailedJob) error {
	if f.broken.Load() {
		return errors.New("disk full")
	}
	return f.FailedStore.Add(ctx, job)
}

func (f *flakyFailed) List(ctx context.Context) iter.Seq2[jobs.FailedJob, error] {
	return f.FailedStore.List(ctx)
}

func TestAFailureThatCannotBeRecordedComesBackWithoutRunning(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := &flakyFailed{FailedStore: jobs.NewMemoryFailed()}
			store.broken.Store(true)
			var ran trail
			r := newRig(t, rigConfig{local: local, options: []jobs.DispatcherOption{jobs.WithFailedStore(store)}, handlers: []jobs.Handler{
				sendWelcome.Handler(func(context.Context, welcome) error {
					ran.add("ran")
					return events.Permanent(errDown)
				}),
			}})
			must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{}, jobs.MaxAttempts(1))))
			time.AfterFunc(time.Minute, func() { store.broken.Store(false) })
			r.consume()
			<-time.After(time.Hour)
			ran.expect(t, "ran")
			if failed := r.failed(); len(failed) != 1 {
				t.Errorf("local %v: recorded %+v", local, failed)
			}
		})
	}
}

// Without a dead-letter queue SQS delivers a failed job again and again. Its record keeps saying why it failed.
func TestAFailedJobThatComesBackKeepsItsRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran trail
		r := newRig(t, rigConfig{handlers: []jobs.Handler{sendWelcome.Handler(func(context.Context, welcome) error {
			ran.add("ran")
			return errDown
		})}})
		must(t, r.Dispatch(t.Context(), sendWelcome.New(welcome{}, jobs.MaxAttempts(2))))
		again := r.queue.messages[0]
		r.consume()
		for range 3 {
			r.queue.messages = append(r.queue.messages, again)
			r.consume()
		}
		ran.expect(t, "ran", "ran")
		if failed := r.failed(); len(failed) != 1 || failed[0].Error != "mail is down" || failed[0].Attempts != 2 {
			t.Errorf("recorded %+v", failed)
		}
	})
}

// downLedger does not answer at first.
type downLedger struct {
	events.Ledger
	left atomic.Int32
}

func (l *downLedger) Finished(ctx context.Context, event string, listeners []string) ([]string, error) {
	if l.left.Add(-1) >= 0 {
		return nil, errors.New("connection refused")
	}
	return l.Ledger.Finished(ctx, event, listeners)
}

func TestALedgerThatIsDownSpendsNoAttemptsOfThisProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ledger := &downLedger{Ledger: events.NewMemoryLedger(0)}
		ledger.left.Store(10)
		var ran trail
		r := newRig(t, rigConfig{bus: []events.Option{events.WithLedger(ledger)}, handlers: []jobs.Handler{
			sendWelcome.Handler(func(ctx context.Context, _ welcome) error {
				ran.add("attempt %d", jobs.Current(ctx).Attempt)
				return nil
			}),
		}})
		must(t, awaitError(r.DispatchAsync(t.Context(), sendWelcome.New(welcome{}, jobs.MaxAttempts(1)))))
		ran.expect(t, "attempt 1")
	})
}

// A queue that gives up on a message sooner than the job may be tried is no reason to give up on the job.
func TestAttemptsGoOnWhereTheQueueStopsDelivering(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		attempts int
		answer   error
		want     []string
		failed   int
	}{
		"as long as it may be tried": {5, errDown, []string{"1 0s", "2 10s", "3 1m10s", "4 2m10s", "5 3m10s"}, 1},
		"without end":                {-1, nil, []string{"1 0s", "2 10s", "3 1m10s", "4 2m10s", "5 3m10s", "6 4m10s", "7 5m10s"}, 0},
		"when it asked for":          {3, events.RetryAfter(errDown, time.Hour), []string{"1 0s", "2 1h0m0s", "3 2h0m0s"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var ran trail
				start := time.Now()
				job := jobs.New[int]("job", jobs.Backoff(10*time.Second, time.Minute), jobs.MaxAttempts(tc.attempts))
				r := newRig(t, rigConfig{
					queue: &queue{redrive: 2},
					handlers: []jobs.Handler{job.Handler(func(ctx context.Context, _ int) error {
						ran.add("%d %v", jobs.Current(ctx).Attempt, time.Since(start))
						if tc.answer == nil && jobs.Current(ctx).Attempt < 7 {
							return errDown
						}
						return tc.answer
					})},
				})
				task := job.New(1)
				must(t, r.Dispatch(t.Context(), task))
				r.consume()
				ran.expect(t, tc.want...)
				failed := r.failed()
				if len(failed) != tc.failed || len(r.queue.dead) != tc.failed {
					t.Fatalf("recorded %+v, dead letters %v, want %d", failed, r.queue.dead, tc.failed)
				}
				for _, f := range failed {
					if f.ID != task.ID() || f.Attempts != tc.attempts {
						t.Errorf("recorded %+v, want %d attempts of %s", f, tc.attempts, task.ID())
					}
				}
			})
		})
	}
}

func TestAJobThatCannotBeSentAgainIsRecordedBeforeTheQueueTakesItAway(t *testing.T) {
	t.Parallel()
	q := &queue{redrive: 2}
	job := jobs.New[int]("job", jobs.MaxAttempts(5))
	r := newRig(t, rigConfig{queue: q, handlers: []jobs.Handler{job.Handler(func(context.Context, int) error { return errDown })}})
	must(t, r.Dispatch(t.Context(), job.New(1)))
	q.refuse = func(events.Any) error { return errors.New("no more room") }
	q.hasty = true
	r.consume()
	if len(q.dead) != 1 || len(q.messages) != 0 {
		t.Errorf("dead letters %v, left %v, want the job in the former", q.dead, q.messages)
	}
	failed := r.failed()
	if len(failed) != 1 || failed[0].Attempts != 2 || !strings.Contains(failed[0].Error, "mail is down") || !strings.Contains(failed[0].Error, "no more room") {
		t.Errorf("recorded %+v, want the job after 2 attempts with both reasons", failed)
	}
}

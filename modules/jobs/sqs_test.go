package jobs_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/fx"

	"github.com/fxpond/fxpond/fxtest"
	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// cloud is an SQS with its queues, which outlives the apps.
type cloud struct {
	t   *testing.T
	srv *sqslocal.Server
}

func newCloud(t *testing.T, maxReceives int, queues ...string) *cloud {
	t.Helper()
	srv, err := sqslocal.New(sqslocal.Config{Seed: 1})
	must(t, err)
	t.Cleanup(func() { must(t, srv.Close()) })
	for _, name := range queues {
		dead := "dead"
		if len(name) > 5 && name[len(name)-5:] == ".fifo" {
			dead = "dead.fifo"
		}
		_, err = srv.CreateQueue(dead, nil)
		must(t, err)
		_, err = srv.CreateQueue(name, map[string]string{
			"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:%s","maxReceiveCount":%d}`, dead, maxReceives),
		})
		must(t, err)
	}
	return &cloud{t: t, srv: srv}
}

func (c *cloud) depth(queue string) int {
	c.t.Helper()
	s, ok := c.srv.Queue(queue)
	if !ok {
		c.t.Fatalf("no queue %q", queue)
	}
	return s.Visible + s.InFlight + s.Delayed
}

// app starts an app as it would stand in production, and returns its dispatcher and how to stop it.
func (c *cloud) app(cfg sqs.Config, opts ...fx.Option) (*jobs.Dispatcher, func()) {
	c.t.Helper()
	cfg.Doctor = sqs.DoctorOff
	cfg.ShutdownTimeout = 30 * time.Second // for long polls, of which hours need few
	var d *jobs.Dispatcher
	app := fx.New(
		fx.NopLogger, fx.StopTimeout(time.Minute),
		goroutine.Module, events.Module, sqs.Module, jobs.Module,
		events.PublishVia[*sqs.Publisher](),
		fx.Supply(cfg, goroutine.Config{DisableAutoscaler: true}), // it watches the processors, whose load is not virtual
		fx.Provide(func() *awssqs.Client { return c.srv.Client(sqs.ForPollers) }),
		fx.Options(opts...),
		fx.Populate(&d),
	)
	must(c.t, app.Start(c.t.Context()))
	return d, func() {
		c.t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
		defer cancel()
		must(c.t, app.Stop(ctx))
	}
}

// runs counts the runs that succeeded, and the attempts.
type runs struct {
	mu       sync.Mutex
	done     map[string]int
	attempts map[string]int
	at       map[string]time.Time
}

func (r *runs) attempt(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts[id]++
	return r.attempts[id]
}

func (r *runs) success(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[id]++
	r.at[id] = time.Now()
}

// 200 jobs over SQS, on two queues: at once, delayed by up to two hours, failing once, failing for good, in
// chains and unique; the app is stopped and started again twice on the way. Each job runs to its end once.
func TestJobsOverSQSRunOnceThroughDelaysFailuresAndRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, 10, "jobs", "mail")
		r := &runs{done: map[string]int{}, attempts: map[string]int{}, at: map[string]time.Time{}}
		plain := jobs.New[string]("plain", jobs.Queue("mail"))
		flaky := jobs.New[string]("flaky", jobs.Backoff(10*time.Second))
		doomed := jobs.New[string]("doomed", jobs.MaxAttempts(4), jobs.ExponentialBackoff(time.Second, time.Minute))
		succeed := func(_ context.Context, id string) error {
			r.attempt(id)
			r.success(id)
			return nil
		}
		handlers := func() []jobs.Handler {
			return []jobs.Handler{
				plain.Handler(succeed),
				flaky.Handler(func(ctx context.Context, id string) error {
					if r.attempt(id) == 1 {
						return errDown
					}
					if n := jobs.Current(ctx).Attempt; n < 2 { // a stop gives messages back, and SQS counts that
						t.Errorf("%s is told that this is attempt %d", id, n)
					}
					r.success(id)
					return nil
				}),
				doomed.Handler(func(_ context.Context, id string) error {
					r.attempt(id)
					return errDown
				}),
			}
		}
		failed := jobs.NewMemoryFailed() // stands for a store that the restarts share
		cfg := sqs.Config{
			Queues:  []sqs.Queue{{Name: "jobs"}, {Name: "mail"}},
			Publish: []sqs.Route{{Pattern: "job.*", Queue: "jobs"}},
		}
		start := func() (*jobs.Dispatcher, func()) {
			return c.app(cfg, fx.Provide(jobs.AsHandler(handlers), func() jobs.FailedStore { return failed }))
		}

		d, stop := start()
		began := time.Now()
		want, due := map[string]int{}, map[string]time.Duration{}
		var tasks []jobs.Task
		add := func(n int, kind string, task func(n int, id string) jobs.Task) {
			for n := range n {
				id := fmt.Sprintf("%s-%d", kind, n)
				want[id] = 1
				tasks = append(tasks, task(n, id))
			}
		}
		add(60, "now", func(_ int, id string) jobs.Task { return plain.New(id) })
		add(60, "later", func(n int, id string) jobs.Task {
			due[id] = time.Duration(n+1) * 2 * time.Minute
			return plain.New(id, jobs.Delay(due[id]))
		})
		add(30, "flaky", func(n int, id string) jobs.Task { return flaky.New(id, jobs.Delay(time.Duration(n)*time.Minute)) })
		add(20, "unique", func(_ int, id string) jobs.Task {
			return plain.New(id, jobs.UniqueFor(time.Hour), jobs.Delay(time.Minute))
		})
		add(15, "chain", func(n int, id string) jobs.Task {
			due[id+"-end"] = time.Duration(n)*time.Minute + 20*time.Minute
			want[id+"-end"] = 1
			return jobs.Chain(plain.New(id, jobs.Delay(time.Duration(n)*time.Minute)), flaky.New(id+"-end", jobs.Delay(20*time.Minute)))
		})
		add(15, "doomed", func(_ int, id string) jobs.Task { return doomed.New(id) })
		if len(tasks) != 200 {
			t.Fatalf("%d jobs", len(tasks))
		}
		must(t, d.Dispatch(t.Context(), tasks...))
		for n := range 20 {
			must(t, d.Dispatch(t.Context(), plain.New(fmt.Sprintf("unique-%d", n), jobs.UniqueFor(time.Hour)))) // it is queued
		}

		for _, restart := range []time.Duration{10*time.Minute + 7*time.Second, time.Hour} {
			<-time.After(restart)
			stop()
			d, stop = start()
		}
		<-time.After(90 * time.Minute)
		for n := range 15 {
			delete(want, fmt.Sprintf("doomed-%d", n))
		}
		if !maps.Equal(r.done, want) {
			for id, n := range want {
				if r.done[id] != n {
					t.Errorf("%s ran %d times to its end, want %d", id, r.done[id], n)
				}
			}
			t.Errorf("%d jobs ran to their end, want %d", len(r.done), len(want))
		}
		for id, after := range due {
			if took := r.at[id].Sub(began); took < after || took > after+20*time.Second {
				t.Errorf("%s was due after %v and ran after %v", id, after, took)
			}
		}
		recorded := 0
		for job, err := range d.Failed(t.Context()) {
			must(t, err)
			if recorded++; job.Name != "doomed" || job.Attempts != 4 {
				t.Errorf("recorded %+v", job)
			}
		}
		if recorded != 15 || c.depth("dead") != 15 || c.depth("jobs") != 0 || c.depth("mail") != 0 {
			t.Errorf("%d recorded, %d dead letters, %d and %d in the queues", recorded, c.depth("dead"), c.depth("jobs"), c.depth("mail"))
		}
		stop()
	})
}

// On FIFO the job's ID is its deduplication ID, so that what a crash or a caller doubles runs once; a retry runs all
// the same; and a delay is refused at once, since FIFO has none.
func TestJobsOnAFIFOQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, 10, "jobs.fifo")
		var ran trail
		down := true
		job := jobs.New[string]("job", jobs.MaxAttempts(1))
		d, stop := c.app(sqs.Config{Queues: []sqs.Queue{{Name: "jobs.fifo"}}}, fx.Provide(jobs.AsHandler(func() jobs.Handler {
			return job.Handler(func(_ context.Context, s string) error {
				ran.add("%s", s)
				if s == "fails" && down {
					return errDown
				}
				return nil
			})
		})))
		defer stop()
		twice := jobs.Chain(job.New("1", jobs.Group("ada")), job.New("2", jobs.Group("ada")))
		must(t, d.Dispatch(t.Context(), twice, twice))
		must(t, d.Dispatch(t.Context(), twice))
		expectError(t, d.Dispatch(t.Context(), job.New("later", jobs.Delay(time.Minute))), "cannot be delayed")
		<-time.After(10 * time.Second)
		ran.expect(t, "1", "2")

		fails := job.New("fails", jobs.Group("bob"))
		must(t, d.Dispatch(t.Context(), fails))
		<-time.After(10 * time.Second)
		down = false
		must(t, d.Retry(t.Context(), fails.ID()))
		<-time.After(10 * time.Second)
		ran.expect(t, "1", "2", "fails", "fails")
		if c.depth("dead.fifo") != 1 || c.depth("jobs.fifo") != 0 {
			t.Errorf("%d dead letters, %d in the queue", c.depth("dead.fifo"), c.depth("jobs.fifo"))
		}
	})
}

// A job that may be tried more often than its queue delivers it is sent again; FIFO takes none twice, so there it
// is recorded before SQS takes it away.
func TestJobsAreTriedMoreOftenThanTheirQueueDelivers(t *testing.T) {
	t.Parallel()
	for queue, attempts := range map[string]int{"jobs": 5, "jobs.fifo": 2} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t, 2, queue)
				var ran trail
				failed := jobs.NewMemoryFailed()
				job := jobs.New[int]("job", jobs.MaxAttempts(5), jobs.Group("all"))
				d, stop := c.app(sqs.Config{Queues: []sqs.Queue{{Name: queue}}},
					fx.Provide(
						jobs.AsHandler(func() jobs.Handler {
							return job.Handler(func(ctx context.Context, _ int) error {
								ran.add("%d", jobs.Current(ctx).Attempt)
								return errDown
							})
						}),
						func() jobs.FailedStore { return failed },
					))
				defer stop()
				must(t, d.Dispatch(t.Context(), job.New(1)))
				<-time.After(time.Hour)
				ran.expect(t, []string{"1", "2", "3", "4", "5"}[:attempts]...)
				recorded := 0
				for f, err := range failed.List(t.Context()) {
					must(t, err)
					recorded++
					if f.Attempts != attempts {
						t.Errorf("recorded %+v, want %d attempts", f, attempts)
					}
				}
				if recorded != 1 {
					t.Errorf("%d jobs recorded, want 1", recorded)
				}
				dead := c.depth(strings.Replace(queue, "jobs", "dead", 1))
				if dead != 1 || c.depth(queue) != 0 {
					t.Errorf("%d dead letters, %d in the queue, want the job dead", dead, c.depth(queue))
				}
			})
		})
	}
}

// The test kit knows a job's handler by the name of its event.
func TestTheTestKitRecordsJobs(t *testing.T) {
	t.Parallel()
	var d *jobs.Dispatcher
	app := fxtest.New(t,
		goroutine.Module, events.Module, sqs.Module, jobs.Module, events.PublishVia[*sqs.Publisher](),
		fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: "jobs"}}}),
		fx.Provide(jobs.AsHandler(func() jobs.Handler {
			return sendWelcome.Handler(func(_ context.Context, args welcome) error {
				if args.Email == "" {
					return events.Permanent(errDown)
				}
				return nil
			})
		})),
		fx.Populate(&d),
	)
	must(t, d.Dispatch(t.Context(), sendWelcome.New(welcome{"ada"}), sendWelcome.New(welcome{})))
	done, failed := app.Events.Wait("job.send-welcome", 1), app.Events.WaitFailed("job.send-welcome", 1)
	if len(done) != 1 || len(failed) != 1 {
		t.Errorf("%d done, %d failed", len(done), len(failed))
	}
	app.WaitEmpty("jobs")
	if n := app.DeadLetters("jobs"); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

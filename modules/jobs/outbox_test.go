package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
)

// waitFor looks until ok. What the test finds then does not depend on how long that took.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	give := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(give) {
			t.Fatalf("waited 30s for %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// A job is queued if and only if the caller's transaction is committed. With a ledger in the same database the
// next job of a chain is, if and only if the one before is noted as done.
func TestAnOutboxTiesJobsToTransactions(t *testing.T) {
	t.Parallel()
	s := newSteps()
	q := new(queue)
	var d *jobs.Dispatcher
	var db *repository.DB
	var bus *events.Bus
	app := uberfxtest.New(t, fx.NopLogger, modules(
		repository.Module, repository.LedgerModule, repository.OutboxTo[*queue](), events.PublishVia[*repository.Outbox](),
		fx.Supply(repository.OutboxConfig{Poll: 10 * time.Millisecond}),
		fx.Provide(func() *queue { return q }, jobs.AsHandler(func() []jobs.Handler { return s.handlers })),
		fx.Populate(&d, &db, &bus),
	))
	app.RequireStart()
	defer app.RequireStop()

	for _, end := range []error{errDown, nil} {
		err := db.Transaction(t.Context(), func(ctx context.Context) error {
			must(t, d.Dispatch(ctx, jobs.Chain(s.a.New(map[bool]string{true: "committed", false: "rolled back"}[end == nil]), s.b.New("2"))))
			if q.len() > 0 {
				t.Error("queued before the commit")
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
	}
	waitFor(t, "the job", func() bool { return q.len() > 0 })
	q.mu.Lock()
	again := *q.messages[0]
	q.mu.Unlock()
	q.deliver(t.Context(), bus)
	waitFor(t, "the next of the chain", func() bool { return q.len() > 0 })
	q.mu.Lock()
	q.messages = append(q.messages, &again) // its acknowledgement was lost
	q.mu.Unlock()
	for q.deliver(t.Context(), bus) {
	}
	s.expect(t, "a committed 1", "b 2 1")
	if len(q.sent) != 2 {
		t.Errorf("%d jobs were sent", len(q.sent))
	}
}

// Without any queue an outbox makes jobs durable: its relay runs them on the bus, again until they are done.
func TestAnOutboxInFrontOfTheBusIsADurableQueue(t *testing.T) {
	t.Parallel()
	s := newSteps(jobs.MaxAttempts(1))
	done := make(chan struct{})
	s.answer = func(job string, _ int) error {
		if job == "a" && len(s.all()) == 1 {
			return errDown // nobody counts: there will be another attempt
		}
		if job == "b" {
			close(done)
		}
		return nil
	}
	var d *jobs.Dispatcher
	app := uberfxtest.New(t, fx.NopLogger, modules(
		repository.Module, repository.OutboxTo[*events.Bus](), events.PublishVia[*repository.Outbox](),
		fx.Supply(repository.OutboxConfig{Poll: 10 * time.Millisecond}),
		fx.Provide(jobs.AsHandler(func() []jobs.Handler { return s.handlers })),
		fx.Populate(&d),
	))
	app.RequireStart()
	defer app.RequireStop()
	must(t, d.Dispatch(t.Context(), jobs.Chain(s.a.New("1"), s.b.New("2"))))
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("the chain does not come to its end")
	}
	s.expect(t, "a 1 1", "a 1 1", "b 2 1")
}

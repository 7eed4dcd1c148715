package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"

	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/jobs"
)

// The code of docs/laravel.md.

type lvWelcomeArgs struct {
	Email string `json:"email"`
}

type lvRows struct {
	File string `json:"file"`
}

var (
	lvSendWelcome = jobs.New[lvWelcomeArgs]("send-welcome",
		jobs.MaxAttempts(5),
		jobs.Backoff(10*time.Second, time.Minute, 10*time.Minute),
		jobs.Timeout(30*time.Second),
	)
	lvAskForReview = jobs.New[lvWelcomeArgs]("ask-for-review")
	lvImportRows   = jobs.New[lvRows]("import-rows")
	lvCheckRows    = jobs.New[lvRows]("check-rows")
	lvSendReport   = jobs.New[string]("send-report")
)

type lvMailer interface {
	Welcome(ctx context.Context, address string) error
}

type lvMail struct{ trail }

func (m *lvMail) Welcome(_ context.Context, address string) error {
	m.add("welcome %s", address)
	return nil
}

func newLvSendWelcome(m lvMailer) jobs.Handler {
	return lvSendWelcome.Handler(func(ctx context.Context, args lvWelcomeArgs) error {
		return m.Welcome(ctx, args.Email)
	})
}

func newLvOthers(m *lvMail) []jobs.Handler {
	rows := func(what string) func(context.Context, lvRows) error {
		return func(_ context.Context, args lvRows) error { m.add("%s %s", what, args.File); return nil }
	}
	return []jobs.Handler{
		lvAskForReview.Handler(func(_ context.Context, args lvWelcomeArgs) error { m.add("review %s", args.Email); return nil }),
		lvImportRows.Handler(rows("import")),
		lvCheckRows.Handler(rows("check")),
		lvSendReport.Handler(func(_ context.Context, text string) error { m.add("report %s", text); return nil }),
	}
}

type lvSignUp struct{ jobs *jobs.Dispatcher }

func (s *lvSignUp) Register(ctx context.Context, email string) error {
	return s.jobs.Dispatch(ctx, // a *jobs.Dispatcher, from the graph
		lvSendWelcome.New(lvWelcomeArgs{Email: email}),
		lvAskForReview.New(lvWelcomeArgs{Email: email}, jobs.Delay(14*24*time.Hour), jobs.Queue("slow")),
	)
}

func TestTheLaravelPageHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d *jobs.Dispatcher
		mail := new(lvMail)
		app := uberfxtest.New(t, fx.NopLogger, modules(
			fx.Supply(goroutine.Config{DisableAutoscaler: true}),
			fx.Provide(func() *lvMail { return mail }, func() lvMailer { return mail }, jobs.AsHandler(newLvSendWelcome), jobs.AsHandler(newLvOthers)),
			fx.Populate(&d)))
		app.RequireStart()
		must(t, (&lvSignUp{d}).Register(t.Context(), "ada"))
		ctx := t.Context()
		id, err := d.DispatchBatch(ctx, jobs.Batch{
			Name: "import",
			Jobs: []jobs.Task{
				lvImportRows.New(lvRows{File: "a.csv"}),
				jobs.Chain(lvImportRows.New(lvRows{File: "b.csv"}), lvCheckRows.New(lvRows{File: "b.csv"})),
			},
			Then:  lvSendReport.New("imported"),
			Catch: lvSendReport.New("a file failed"),
		})
		must(t, err)
		<-time.After(15 * 24 * time.Hour)
		b, err := d.Batch(ctx, id)
		must(t, err)
		got := mail.all()
		slices.Sort(got)
		want := []string{"check b.csv", "import a.csv", "import b.csv", "report imported", "review ada", "welcome ada"}
		if !slices.Equal(got, want) || fmt.Sprint(b.Done, b.Failed) != "2 0" {
			t.Errorf("ran %q, want %q; batch %+v", got, want, b)
		}
		app.RequireStop()
	})
}

package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// The code of docs/laravel.md.

type lvUser struct {
	Email string `json:"email" validate:"required,email"`
}

var (
	lvUserCreated = events.NewTopic[lvUser]("user.created")
	lvUserDeleted = events.NewTopic[lvUser]("user.deleted")
)

type lvLog struct{ trail }

func (l *lvLog) Confirm(_ context.Context, address string) error {
	l.add("mail " + address)
	return nil
}

func (l *lvLog) Created(_ context.Context, e events.Event[lvUser]) error {
	l.add("created " + e.Data.Email)
	return nil
}

func (l *lvLog) Deleted(_ context.Context, e events.Event[lvUser]) error {
	l.add("deleted " + e.Data.Email)
	return nil
}

type lvSendMail struct{ mailer *lvLog }

func newLvSendMail(m *lvLog) events.Listener {
	return lvUserCreated.Listener("send-mail", (&lvSendMail{m}).Handle, events.Timeout(10*time.Second))
}

func (l *lvSendMail) Handle(ctx context.Context, e events.Event[lvUser]) error {
	return l.mailer.Confirm(ctx, e.Data.Email)
}

func newLvSubscriber(log *lvLog) []events.Listener {
	return []events.Listener{
		lvUserCreated.Listener("log-created", log.Created),
		lvUserDeleted.Listener("log-deleted", log.Deleted),
	}
}

func newLvAudit(log *lvLog) events.Listener {
	return events.On("user.**", "audit", func(_ context.Context, e events.Event[json.RawMessage]) error {
		log.add("audit " + e.Name)
		return nil
	})
}

type laravelJob struct {
	Invoice int `json:"invoice"`
}

func newLvInvoice(log *lvLog) events.Listener {
	return events.On(`App\Jobs\SendInvoice`, "send-invoice", func(_ context.Context, e events.Event[laravelJob]) error {
		log.add(fmt.Sprint("invoice ", e.Data.Invoice))
		return nil
	})
}

func TestTheLaravelPageHolds(t *testing.T) {
	t.Parallel()
	var (
		bus     *events.Bus
		decoder *events.Decoder
		log     *lvLog
	)
	app := uberfxtest.New(t, goroutine.Module, events.Module,
		fx.Provide(func() *lvLog { return new(lvLog) }, events.AsListener(newLvSendMail), events.AsListener(newLvSubscriber),
			events.AsListener(newLvAudit), events.AsListener(newLvInvoice)),
		fx.Populate(&bus, &decoder, &log))
	app.RequireStart()
	defer app.RequireStop()

	job := strings.Replace(laravelBody, `"data":{`, `"data":{"invoice":7,`, 1)
	all, err := decoder.Decode(events.Message{Body: []byte(job)})
	if err != nil {
		t.Fatal(err)
	}
	err = bus.Publish(t.Context(), all[0], lvUserCreated.New(lvUser{Email: "a"}), lvUserDeleted.New(lvUser{Email: "b"}),
		events.NewTopic[int]("user.address.changed").New(1))
	if err != nil {
		t.Fatal(err)
	}
	got := log.all()
	slices.Sort(got)
	want := []string{"audit user.address.changed", "audit user.created", "audit user.deleted", "created a", "deleted b", "invoice 7", "mail a"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The table of wildcards in docs/laravel.md.
func TestWildcardsDifferFromLaravelsAsDocumented(t *testing.T) {
	t.Parallel()
	for pattern, names := range map[string]map[string]bool{
		"user.*":    {"user.created": true, "user.deleted": true, "user.address.changed": false, "user": false},
		"user.**":   {"user.created": true, "user.address.changed": true, "user": false, "username.x": false},
		"*.created": {"user.created": true, "order.created": true, "a.b.created": false},
		"**":        {"user": true, "user.created": true, "a.b.c": true},
		"*":         {"user": true, "user.created": false},
	} {
		for name, want := range names {
			routes := events.NewTestRoutes()
			routes.Add("l", pattern, 0)
			if got := len(routes.Match(name)) == 1; got != want {
				t.Errorf("%q on %q: %v, want %v", pattern, name, got, want)
			}
		}
	}
}

package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

type UserDTO struct {
	Email string `json:"email" validate:"required,email"`
}

var UserCreated = events.NewTopic[UserDTO]("user.created")

type Mailer struct{}

func NewMailer() *Mailer { return new(Mailer) }

func (*Mailer) Confirm(_ context.Context, address string) error {
	_, err := fmt.Fprintln(os.Stdout, "confirmation sent to", address)
	return err
}

type SendEmailConfirmation struct{ mailer *Mailer }

func (l *SendEmailConfirmation) Handle(ctx context.Context, e events.Event[UserDTO]) error {
	return l.mailer.Confirm(ctx, e.Data.Email) // runs on the pool, in parallel with the other listeners
}

func NewSendEmailConfirmation(m *Mailer) events.Listener {
	return UserCreated.Listener("send-email-confirmation", (&SendEmailConfirmation{m}).Handle)
}

// A listener in an Fx application. Whoever takes an events.Publisher reaches it.
func Example() {
	app := fx.New(
		fx.NopLogger,
		goroutine.Module, events.Module,
		fx.Provide(NewMailer, events.AsListener(NewSendEmailConfirmation)),
		fx.Invoke(func(lc fx.Lifecycle, publisher events.Publisher) {
			lc.Append(fx.StartHook(func(ctx context.Context) error {
				return publisher.Publish(ctx, UserCreated.New(UserDTO{Email: "ada@example.org"}))
			}))
		}),
	)
	if err := errors.Join(app.Start(context.Background()), app.Stop(context.Background())); err != nil {
		fmt.Println(err)
	}
	// Output: confirmation sent to ada@example.org
}

// Without Fx: a pool, a bus, and the message of a queue on its way through.
func ExampleBus_Deliver() {
	ctx := context.Background()
	pool, err := goroutine.NewPool(goroutine.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := pool.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = pool.Stop(ctx) }()

	charge := UserCreated.Listener("open-account", func(context.Context, events.Event[UserDTO]) error {
		return events.RetryAfter(errors.New("ledger is being closed"), time.Minute)
	}, events.Validate(), events.Timeout(10*time.Second))
	audit := events.On("user.*", "audit", func(_ context.Context, e events.Event[json.RawMessage]) error {
		fmt.Printf("%s: %s\n", e.Name, e.Data)
		return nil
	})
	bus, err := events.NewBus(events.Config{}, pool, []events.Listener{charge, audit})
	if err != nil {
		fmt.Println(err)
		return
	}
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}

	all, err := decoder.Decode(events.Message{
		ID:         "message-1",
		Body:       []byte(`{"email":"ada@example.org"}`),
		Attributes: map[string]string{"event": "user.created"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // audit has finished, and does not run again
		outcome := bus.Deliver(ctx, all[0])
		fmt.Printf("%+v\n", outcome.Disposition())
	}
	// Output:
	// user.created: {"email":"ada@example.org"}
	// {Action:retry After:1m0s Reason:listener "open-account": error: ledger is being closed}
	// {Action:retry After:1m0s Reason:listener "open-account": error: ledger is being closed}
}

func ExampleDecoder_Decode() {
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range []string{
		`{"type":"user.created","email":"ada@example.org"}`,
		`{"specversion":"1.0","id":"1","source":"/accounts","type":"user.created","data":{"email":"ada@example.org"}}`,
		`{"detail-type":"user.created","source":"accounts","time":"2026-01-02T03:04:05Z","detail":{"email":"ada@example.org"}}`,
		`{"Type":"Notification","TopicArn":"arn","MessageId":"1","Message":"{\"type\":\"user.created\",\"email\":\"ada@example.org\"}"}`,
		`{"email":`,
	} {
		all, err := decoder.Decode(events.Message{Body: []byte(body)})
		if err != nil {
			fmt.Println(err)
			continue
		}
		user, err := events.As[UserDTO](all[0])
		fmt.Println(all[0].Name, user.Data.Email, err)
	}
	// Output:
	// user.created ada@example.org <nil>
	// user.created ada@example.org <nil>
	// accounts.user.created ada@example.org <nil>
	// user.created ada@example.org <nil>
	// decoding message: broken JSON: ends after 9 bytes in the middle of a value
}

// Elsewhere stands for *sqs.Publisher, the outbox, or a publisher of your own.
type Elsewhere struct{}

func (*Elsewhere) Publish(_ context.Context, all ...events.Any) error {
	for _, e := range all {
		if _, err := fmt.Fprintln(os.Stdout, "published", e.Name); err != nil {
			return err
		}
	}
	return nil
}

// The application says once where its events go; listeners and services take an
// events.Publisher and need not know.
func ExamplePublishVia() {
	app := fx.New(
		fx.NopLogger,
		goroutine.Module, events.Module,
		fx.Provide(func() *Elsewhere { return new(Elsewhere) }),
		events.PublishVia[*Elsewhere](),
		fx.Invoke(func(publisher events.Publisher) error {
			return publisher.Publish(context.Background(), UserCreated.New(UserDTO{}))
		}),
	)
	if app.Err() != nil {
		fmt.Println(app.Err())
	}
	// Output: published user.created
}

func ExampleContract_AsyncAPI() {
	pool, err := goroutine.NewPool(goroutine.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	bus, err := events.NewBus(events.Config{}, pool, []events.Listener{NewSendEmailConfirmation(NewMailer())})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range bus.Contract().Events {
		fmt.Println(e.Name, e.Payloads[0].Type, e.Listeners[0].Name)
	}
	document, err := bus.Contract().AsyncAPI("accounts", "1.0.0")
	fmt.Println(len(document) > 0, err)
	// Output:
	// user.created events_test.UserDTO send-email-confirmation
	// true <nil>
}

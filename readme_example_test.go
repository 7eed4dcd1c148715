package fxpond_test

import (
	"context"
	"testing"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/fxtest"
	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

// What follows is the README's service, and the README's test of it.

type User struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

var UserCreated = events.NewTopic[User]("user.created")

func NewSendEmailConfirmation() events.Listener {
	return UserCreated.Listener("send-email-confirmation", func(context.Context, events.Event[User]) error { return nil })
}

var signUpService = fx.Options(
	goroutine.Module, events.Module, sqs.Module,
	events.PublishVia[*sqs.Publisher](),
	fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: "users"}}}),
	fx.Provide(events.AsListener(NewSendEmailConfirmation)),
)

func signUp(ctx context.Context, publisher events.Publisher, user User) error {
	return publisher.Publish(ctx, UserCreated.New(user))
}

func TestSignUpSendsAMail(t *testing.T) {
	app := fxtest.New(t, signUpService)
	app.Publish(UserCreated.New(User{Name: "Ada", Email: "ada@example.com"}))
	app.Events.Wait("send-email-confirmation", 1)
	app.WaitEmpty("users")
}

func TestAServicePublishesThroughItsPublisher(t *testing.T) {
	var publisher events.Publisher
	app := fxtest.New(t, signUpService, fx.Populate(&publisher))
	if err := signUp(t.Context(), publisher, User{Name: "Ada"}); err != nil {
		t.Fatal(err)
	}
	app.Events.Wait("send-email-confirmation", 1)
}

package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

type mailer struct{ sent trail }

type confirmation struct{ mailer *mailer }

func (c *confirmation) Name() string    { return "confirmation" }
func (c *confirmation) Pattern() string { return "user.created" }
func (c *confirmation) Handle(_ context.Context, e events.Any) error {
	typed, err := events.As[user](e)
	c.mailer.sent.add("confirmation " + typed.Data.Email)
	return err
}

func newConfirmation(m *mailer) *confirmation { return &confirmation{m} }

func newGreeting(m *mailer, out events.Publisher) (events.Listener, error) {
	return userCreated.Listener("greeting", func(ctx context.Context, e events.Event[user]) error {
		m.sent.add("greeting " + e.Data.Email)
		return out.Publish(ctx, events.NewTopic[string]("greeted").New(e.Data.Email))
	}), nil
}

func newSubscriber(m *mailer) []events.Listener {
	return []events.Listener{
		events.On("greeted", "subscriber-greeted", func(_ context.Context, e events.Event[string]) error {
			m.sent.add("greeted " + e.Data)
			return nil
		}),
		events.On("*.deleted", "subscriber-deleted", func(context.Context, events.Event[json.RawMessage]) error { return nil }),
	}
}

func TestModuleCollectsListenersHoweverTheyAreTagged(t *testing.T) {
	t.Parallel()
	var (
		bus       *events.Bus
		publisher events.Publisher
		m         *mailer
	)
	byTag := fx.Annotate(func(m *mailer) events.Listener {
		return events.On("user.**", "tagged", func(_ context.Context, e events.Event[user]) error {
			m.sent.add("tagged " + e.Data.Email)
			return nil
		})
	}, fx.ResultTags(`group:"listeners"`))
	app := uberfxtest.New(t, goroutine.Module, events.Module,
		fx.Provide(func() *mailer { return new(mailer) }, byTag,
			events.AsListener(events.On("never", "ready-made", nothing)),
			events.AsListener(newConfirmation), events.AsListener(newGreeting), events.AsListener(newSubscriber)),
		fx.Populate(&bus, &publisher, &m),
	)
	app.RequireStart()
	defer app.RequireStop()

	var names []string
	for _, l := range bus.Listeners() {
		names = append(names, l.Name())
	}
	if want := []string{"confirmation", "greeting", "ready-made", "subscriber-deleted", "subscriber-greeted", "tagged"}; !slices.Equal(names, want) {
		t.Fatalf("listeners %q, want %q", names, want)
	}
	if err := publisher.Publish(t.Context(), userCreated.New(user{Email: "a"})); err != nil {
		t.Fatal(err)
	}
	got := m.sent.all()
	slices.Sort(got)
	if want := []string{"confirmation a", "greeted a", "greeting a", "tagged a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// elsewhere is a publisher of another module.
type elsewhere struct{ published trail }

func (p *elsewhere) Publish(_ context.Context, all ...events.Any) error {
	for _, e := range all {
		p.published.add(e.Name)
	}
	return nil
}

func TestTheApplicationChoosesItsPublisher(t *testing.T) {
	t.Parallel()
	var (
		publisher events.Publisher
		target    *elsewhere
	)
	app := uberfxtest.New(t, goroutine.Module, events.Module,
		fx.Provide(func(*events.Bus) *elsewhere { return new(elsewhere) }),
		events.PublishVia[*elsewhere](),
		fx.Populate(&publisher, &target),
	)
	app.RequireStart()
	defer app.RequireStop()
	if err := publisher.Publish(t.Context(), userCreated.New(user{})); err != nil {
		t.Fatal(err)
	}
	if got := target.published.all(); !slices.Equal(got, []string{"user.created"}) {
		t.Errorf("published %q", got)
	}
}

func TestModuleFailsTheStart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		opt  fx.Option
		want string
	}{
		{"on a nil listener", fx.Provide(events.AsListener(func() events.Listener { return nil })), "is nil"},
		{"on a bad config", fx.Supply(events.Config{Decode: events.DecodeConfig{MaxDepth: -3}}), "Decode.MaxDepth is -3"},
		{"on an unknown format", fx.Supply(events.Config{Decode: events.DecodeConfig{Formats: []events.Format{"xml"}}}), `no such format`},
		{"on a nil decoder", fx.Provide(events.AsDecoder(func() events.Envelope { return nil })), "decoder 1 of 1 is nil"},
		{"on two publishers", fx.Options(
			fx.Provide(func() *elsewhere { return new(elsewhere) }),
			events.PublishVia[*elsewhere](), events.PublishVia[*events.Bus](),
		), "it is bound to *events_test.elsewhere"},
		{"on no constructor", fx.Provide(events.AsListener(42)), "must provide constructor function, got 42"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			app := fx.New(fx.NopLogger, goroutine.Module, events.Module, tc.opt)
			expectError(t, app.Err(), tc.want)
		})
	}
}

func TestModuleNeedsNothingButThePool(t *testing.T) {
	t.Parallel()
	var decoder *events.Decoder
	app := uberfxtest.New(t, goroutine.Module, events.Module, fx.Populate(&decoder),
		fx.Supply(events.Config{ShutdownTimeout: -1}),
		fx.Decorate(func(*events.Relay) *events.Relay { return events.NewRelay() })) // a replaced part
	app.RequireStart()
	app.RequireStop()
	if err := app.Stop(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("second stop: %v", err)
	}
	if got := decoder.Formats(); got[0] != events.FormatFxpond || got[len(got)-1] != events.FormatRaw {
		t.Errorf("formats %v", got)
	}
}

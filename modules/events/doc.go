// Package events brings events to listeners: it decodes whatever a queue
// delivers, routes each event by name, runs the listeners in parallel on the
// pool, and says what should become of the message.
//
//	var UserCreated = events.NewTopic[User]("user.created")
//
//	func NewSendConfirmation(m *Mailer) events.Listener {
//		return UserCreated.Listener("send-confirmation", func(ctx context.Context, e events.Event[User]) error {
//			return m.Confirm(ctx, e.Data.Email)
//		})
//	}
//
//	fx.New(goroutine.Module, events.Module, fx.Provide(NewMailer, events.AsListener(NewSendConfirmation)))
//
// # Promises
//
//   - Every listener whose pattern selects the event is run, whatever becomes
//     of the others. A panic is that listener's error.
//   - Each listener has its own copy of the event. Values of Go types that hide
//     references in unexported fields are the exception; give those a method
//     Clone() T.
//   - A payload dispatched in this process never goes through JSON. One that
//     came as JSON is decoded once per Go type.
//   - Decoding takes bounded time and memory whatever the body holds, and never
//     panics. What cannot be decoded is a *DecodeError that says why.
//   - Listeners that are nil, unnamed, share a name or have a malformed pattern
//     fail the start.
//
// # Routing
//
// Names are segments separated by dots. In a pattern, "*" stands for exactly
// one segment and "**", at the end, for one or more.
//
// # Start and stop
//
// A Bus works as soon as it is made. Stop refuses new asynchronous dispatches
// and waits for those in flight, at most Config.ShutdownTimeout. The bus starts
// no goroutine of its own: all work runs on the pool or on the caller.
//
// # Dependencies
//
// google/uuid makes time-ordered IDs, go-playground/validator checks payloads
// that opt in, the OpenTelemetry API reports; zap logs.
package events

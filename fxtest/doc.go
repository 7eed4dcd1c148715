// Package fxtest runs an fxpond app in a test, against an SQS of its own.
//
// The app under test stays as it is: [New] gives it an in-process SQS instead of AWS, creates the queues
// that its [sqs.Config] names, each with a dead-letter queue, records what its listeners do, and fails
// the test when the app does not start, leaves work behind at its stop, or leaks goroutines.
//
//	func TestSignUpSendsAMail(t *testing.T) {
//		app := fxtest.New(t, signup.Module)
//		app.Publish(signup.UserCreated.New(signup.User{Email: "ada@example.com"}))
//		app.Events.Wait("send-email-confirmation", 1)
//	}
//
// No socket is opened, so tests may run in parallel and inside testing/synctest.
package fxtest

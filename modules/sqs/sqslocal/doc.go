// Package sqslocal is an Amazon SQS inside the process: accurate enough to trust in tests, fast enough to develop against.
//
//	srv, err := sqslocal.Start(sqslocal.Config{}) // HTTP on a free port of the loopback interface
//	defer srv.Close()
//	client := srv.Client() // or any SDK with the endpoint srv.URL()
//
// It speaks both wire protocols of the service, AWS JSON 1.0 and Query, so that the unmodified AWS SDKs are its clients. The
// package conformance holds it to AWS's documentation, case by case.
//
// New returns a server without sockets. Its Client works inside a testing/synctest bubble, on virtual time: twelve hours of
// visibility or fourteen days of retention pass in no time.
//
//	synctest.Test(t, func(t *testing.T) {
//		srv, err := sqslocal.New(sqslocal.Config{Seed: 1})
//		…
//		<-time.After(14 * 24 * time.Hour)
//	})
//
// Faults make it fail on purpose, by rule or by a profile's name. Journal tells the life of each message, Calls and Queue count.
// With a Config.Seed all that is drawn at random repeats.
//
// It promises what AWS documents: nothing that was accepted is lost, nothing is delivered twice within its visibility
// timeout, FIFO groups keep their order. It goes beyond AWS where AWS promises less: a standard queue delivers in the order of
// sending, and counts are exact at once. It does not check signatures, keeps but does not enforce policies and encryption
// settings, has no throughput quotas, and finds noisy tenants of fair queues by their messages in flight only.
//
// A Server from New has no goroutine. One from Start has one that accepts and one for each connection, and one more for each
// long poll that waits on a connection; all other waiting is done by timers. Close ends every long poll at once, waits for
// answers under way and returns when nothing of the server runs any more.
package sqslocal

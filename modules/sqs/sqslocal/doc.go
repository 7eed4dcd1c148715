// Package sqslocal is an Amazon SQS inside the process: accurate enough to trust in tests, fast enough to develop against.
//
//	srv, err := sqslocal.Start(sqslocal.Config{}) // HTTP on a free port of the loopback interface
//	defer srv.Close()
//	client := srv.Client() // or any SDK with the endpoint srv.URL()
//
// It speaks the wire protocol of the service, so that the unmodified AWS SDKs are its clients. New returns a server without
// sockets: its Client works inside a testing/synctest bubble, where twelve hours of visibility or fourteen days of retention
// pass in no time.
//
// It promises what AWS documents: nothing that was accepted is lost, nothing is delivered twice within its visibility
// timeout, FIFO groups keep their order. It does not check signatures, and keeps but does not enforce policies and
// encryption settings.
//
// A Server runs no goroutine but net/http's. Close ends every long poll at once, waits for answers under way and returns
// when nothing of the server runs any more.
package sqslocal

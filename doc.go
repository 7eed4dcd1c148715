// Package fxpond is a set of Uber Fx modules for event-driven Go services: Amazon SQS brings the
// messages in, a bounded worker pool runs the listeners, and Fx starts and stops it all.
//
// The modules stand in folders of their own:
//
//   - modules/goroutine: the pool that everything runs on
//   - modules/events: typed topics, listeners, the bus
//   - modules/jobs: units of work with one handler: now, later, in chains and batches
//   - modules/sqs: the SQS consumer and publisher
//   - modules/repository: typed repositories, event store, ledger and outbox on SQL
//   - modules/sqs/sqslocal: an SQS inside the process, for tests and development
//   - fxtest: runs your app in a test
package fxpond

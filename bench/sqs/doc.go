// Package rig measures the sqs module against what a team would write or pick instead, on the same work.
//
// SQS is sqslocal in a process of its own, with a latency injected into each request; the client under test is a
// process of its own too, so that processor time and allocations are the client's alone. Requests are what the server
// has counted, retries of the SDK included. Run it from the bench module:
//
//	go run ./sqs/cmd/rig              # every scenario, medians of 3 interleaved rounds, Markdown
//	go run ./sqs/cmd/rig -list        # their names
//	go run ./sqs/cmd/rig -run saturated -rounds 5 -profile /tmp/prof
//
// The figures of a shared machine differ from run to run; the ratios inside one run are what counts. What does not
// depend on the clock (duplicates, losses, stranded messages) is asserted by the tests of this package.
//
// The rivals: a naive loop (receive ten, handle and delete them one by one), a strong hand-written loop (eight
// pollers, 64 workers, batched deletes with a flush timer) and go-cloud's awssnssqs as its documentation uses it.
// Watermill is missing, because its SQS adapter cannot be had from the module proxy in use.
package rig

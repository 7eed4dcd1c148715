// Package sqs consumes Amazon SQS queues into the event bus and publishes events to them.
//
// # The promise
//
// Once SQS has accepted a message, each registered listener completes for it at least once, or the
// message ends in the dead-letter queue, or it expires by the queue's retention. A message is deleted
// only after every listener has finished with it. A crash, a kill -9, a lost network or a redeploy
// does not break this. Duplicates happen, as SQS itself delivers at least once: listeners are
// idempotent. Order holds inside a FIFO message group and nowhere else.
//
// # The path of a message
//
//	free slots -> ReceiveMessage(n) -> lease -> decode -> bus -> Outcome -> delete | retry | dead-letter
//
// The consumer asks SQS for what the pool can start, keeps the lease of each message alive with
// batched heartbeats while its listeners run, and settles the outcome in batches of ten. Retries
// travel through the visibility timeout, with exponential back-off and full jitter.
//
// Queues that have work share the pool's worker time by [Queue.Weight], however long their messages take
// and however many there are; what one queue leaves the others use.
//
// # Publishing
//
// [Publisher.Publish] returns nil once the service has stored the event. Events of many goroutines share
// requests, ten or 1 MiB to each; a lone one is sent at once. Every caller has an answer of its own: what
// SQS refused is an error, what may pass is sent again, and a [*PublishError] says when the event may be
// stored although no answer came. Inside a FIFO group nothing overtakes anything, whatever fails.
//
// The body is the event's envelope in JSON:
//
//	{"fxpond":1,"id":"...","name":"user.created","time":"...","source":"...","metadata":{...},"data":{...}}
//
// Message attributes repeat its name (event) and ID (event_id), as far as SQS's ten leave room after
// those of [WithAttribute]; then come traceparent and tracestate. AWSTraceHeader is always set for a
// traced event. [WithDelay], [WithGroup] and [WithDedupID] say how an event is sent, [Route] says where:
// to a queue, an SNS topic (modules/sqs/sns) or an EventBridge bus (modules/sqs/eventbridge). [Payload]
// compresses long bodies or keeps them in an [ObjectStore] (modules/sqs/s3).
//
// # Start and stop
//
// [Consumer.Start] resolves the queues and fails when one is missing. [Consumer.Stop] sends no further
// polls, lets the polls in flight end, gives messages that no listener has started back to SQS at once,
// waits for running listeners within ShutdownTimeout, and flushes what is left to settle.
// [Publisher.Stop] refuses new events and sends those that wait; their callers have the error of what
// could not be sent.
//
// The smallest use:
//
//	fx.New(
//		goroutine.Module, events.Module, sqs.Module,
//		fx.Supply(sqs.Config{Queues: []sqs.Queue{{Name: "users"}}}),
//		fx.Provide(events.AsListener(NewSendEmailConfirmation)),
//	).Run()
//
// Region, credentials and endpoint come from the AWS SDK's own chain (AWS_REGION, AWS_PROFILE,
// AWS_ENDPOINT_URL_SQS and so on).
package sqs

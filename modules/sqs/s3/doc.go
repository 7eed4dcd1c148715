// Package s3 keeps bodies that are too long for a queue in an Amazon S3 bucket (a "claim check").
//
//	fx.New(
//		goroutine.Module, events.Module, sqs.Module, s3.Module,
//		fx.Supply(s3.Config{Bucket: "acme-long-messages"}, sqs.Config{...}),
//	)
//
// It is a package of its own so that only its users carry the SDK of S3. Without Fx: pass [NewStore] to
// sqs.NewPublisher and sqs.NewConsumer with sqs.WithObjectStore.
//
// Pointers and objects are those of AWS's Extended Client Libraries, so that programs in Java and Python
// read them, and theirs are read here. Give the bucket a life-cycle rule that expires objects after the
// longest retention of your queues: an object stays behind when its message is not sent after all, when
// it expires, or when no queue is set to delete it.
package s3

// Package sns publishes events to Amazon SNS topics, through the publisher of modules/sqs and with all
// that it promises: shared requests, an answer of their own for each caller, retries, order inside the
// groups of FIFO topics, and an orderly stop.
//
//	fx.New(
//		goroutine.Module, events.Module, sqs.Module, sns.Module,
//		fx.Supply(sqs.Config{Publish: []sqs.Route{
//			{Pattern: "user.**", Topic: "arn:aws:sns:eu-west-1:123456789012:users"},
//		}}),
//	)
//
// It is a package of its own so that only its users carry the SDK of SNS. Without Fx: pass
// [NewCarrier] to sqs.NewPublisher with sqs.WithTopics.
//
// The message is the event's envelope in JSON, its name and id are message attributes for filter
// policies. The consumer of modules/sqs reads what a subscribed queue receives, with raw message
// delivery or without. A message of a topic cannot be delayed, compressed or offloaded.
package sns

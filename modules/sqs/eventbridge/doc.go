// Package eventbridge publishes events to Amazon EventBridge buses, through the publisher of modules/sqs
// and with all that it promises: shared requests, an answer of their own for each caller, retries, and
// an orderly stop.
//
//	fx.New(
//		goroutine.Module, events.Module, sqs.Module, eventbridge.Module,
//		fx.Supply(sqs.Config{Publish: []sqs.Route{{Pattern: "order.**", Bus: "orders"}}}),
//	)
//
// It is a package of its own so that only its users carry the SDK of EventBridge. Without Fx: pass
// [NewCarrier] to sqs.NewPublisher with sqs.WithBuses.
//
// On the bus, detail-type is the event's name, source its Source, time its Timestamp, and detail its
// envelope in JSON, so that rules may match detail.data. The consumer of modules/sqs reads what a rule
// sends to a queue. There are no attributes, groups or delays on a bus.
package eventbridge

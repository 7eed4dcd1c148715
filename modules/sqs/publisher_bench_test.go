package sqs_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// willing takes every message at once, so that a benchmark measures the publisher alone.
type willing struct{ sqs.API }

func (willing) GetQueueUrl(context.Context, *awssqs.GetQueueUrlInput, ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error) {
	return &awssqs.GetQueueUrlOutput{QueueUrl: aws.String("http://sqs/000000000000/out")}, nil
}

func (willing) SendMessageBatch(_ context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	out := &awssqs.SendMessageBatchOutput{Successful: make([]types.SendMessageBatchResultEntry, len(in.Entries))}
	for i, e := range in.Entries {
		out.Successful[i] = types.SendMessageBatchResultEntry{Id: e.Id, MessageId: e.Id}
	}
	return out, nil
}

// BenchmarkPublisher measures what an event costs in the publisher, with the SDK left out.
func BenchmarkPublisher(b *testing.B) {
	for _, queue := range []string{standard, fifo} {
		p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: queue}}}, willing{})
		must(b, err)
		e := numbered("work.done", 1)
		ten := make([]events.Any, 10)
		for i := range ten {
			ten[i] = numbered("work.done", i)
		}
		b.Run("one at a time to "+queue, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, p.Publish(b.Context(), e))
			}
		})
		b.Run("ten at a time to "+queue, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, p.Publish(b.Context(), ten...))
			}
		})
		b.Run("in parallel to "+queue, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.Publish(b.Context(), e); err != nil {
						b.Error(err)
					}
				}
			})
		})
		must(b, p.Stop(b.Context()))
	}
}

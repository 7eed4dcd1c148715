package sqs_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

// plenty has messages at once, as many as left says, so that a benchmark measures the consumer alone.
type plenty struct {
	sqs.API
	body, sum string
	left      atomic.Int64
	deleted   atomic.Int64
	want      int64
	once      sync.Once
	done      chan struct{}
}

func (*plenty) GetQueueUrl(context.Context, *awssqs.GetQueueUrlInput, ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error) {
	return &awssqs.GetQueueUrlOutput{QueueUrl: aws.String("http://sqs/000000000000/in")}, nil
}

func (*plenty) GetQueueAttributes(context.Context, *awssqs.GetQueueAttributesInput, ...func(*awssqs.Options)) (*awssqs.GetQueueAttributesOutput, error) {
	return &awssqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": "30"}}, nil
}

func (p *plenty) ReceiveMessage(ctx context.Context, in *awssqs.ReceiveMessageInput, _ ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	n := int64(in.MaxNumberOfMessages)
	last := p.left.Add(-n) + n
	if last <= 0 {
		wait(time.Millisecond)
		return &awssqs.ReceiveMessageOutput{}, ctx.Err()
	}
	n = min(n, last)
	out := &awssqs.ReceiveMessageOutput{Messages: make([]types.Message, n)}
	for i := range out.Messages {
		id := "7d7a3b8e-9c0e-4c5b-8a76-" + strconv.FormatInt(100_000_000_000+last-int64(i), 10)
		out.Messages[i] = types.Message{
			MessageId: &id, ReceiptHandle: &id, Body: &p.body, MD5OfBody: &p.sum,
			Attributes: map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
		}
	}
	return out, nil
}

func (p *plenty) DeleteMessageBatch(_ context.Context, in *awssqs.DeleteMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.DeleteMessageBatchOutput, error) {
	if p.deleted.Add(int64(len(in.Entries))) >= p.want {
		p.once.Do(func() { close(p.done) })
	}
	return &awssqs.DeleteMessageBatchOutput{}, nil
}

type signUp struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// BenchmarkConsumer measures what a message costs in pool, bus and consumer, its metrics included, with
// the SDK left out.
func BenchmarkConsumer(b *testing.B) {
	body := `{"n":123,"text":"` + strings.Repeat("a sign-up with a name and an address. ", 5) + `"}`
	sum := md5.Sum([]byte(body))
	api := &plenty{body: body, sum: hex.EncodeToString(sum[:]), want: int64(b.N), done: make(chan struct{})}
	api.left.Store(int64(b.N))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	pool, err := goroutine.NewPool(goroutine.Config{MaxWorkers: 64}, goroutine.WithMeterProvider(meters))
	must(b, err)
	topic := events.NewTopic[signUp]("bench.signed-up")
	listener := topic.Listener("work", func(context.Context, events.Event[signUp]) error { return nil })
	bus, err := events.NewBus(events.Config{}, pool, []events.Listener{listener}, events.WithMeterProvider(meters))
	must(b, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(b, err)
	c, err := sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: "in", Event: topic.Name()}}, Doctor: sqs.DoctorOff}, api, pool, bus, decoder, sqs.WithMeterProvider(meters))
	must(b, err)
	must(b, pool.Start(b.Context()))
	b.ReportAllocs()
	b.ResetTimer()
	must(b, c.Start(b.Context()))
	<-api.done
	b.StopTimer()
	must(b, c.Stop(context.Background()))
	must(b, pool.Stop(context.Background()))
}

func (*plenty) ChangeMessageVisibilityBatch(context.Context, *awssqs.ChangeMessageVisibilityBatchInput, ...func(*awssqs.Options)) (*awssqs.ChangeMessageVisibilityBatchOutput, error) {
	return &awssqs.ChangeMessageVisibilityBatchOutput{}, nil
}

package eventbridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/eventbridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is one of PutEvents as it is on the wire.
type entry struct {
	EventBusName, Source, DetailType, Detail, TraceHeader string
	Time                                                  float64
}

// station is EventBridge as the SDK sees it on the wire: it takes PutEvents in AWS JSON.
type station struct {
	mu      sync.Mutex
	entries []entry
	calls   int
}

// RoundTrip refuses details that contain "bad" and fails those with "busy" the first time.
func (s *station) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct{ Entries []entry }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if target := r.Header.Get("X-Amz-Target"); target != "AWSEvents.PutEvents" {
		return nil, fmt.Errorf("target %q", target)
	}
	var out struct {
		FailedEntryCount int
		Entries          []map[string]string
	}
	for i, e := range in.Entries {
		switch {
		case strings.Contains(e.Detail, `"bad"`):
			out.FailedEntryCount++
			out.Entries = append(out.Entries, map[string]string{"ErrorCode": "MalformedDetail", "ErrorMessage": "no"})
		case strings.Contains(e.Detail, `"busy"`) && s.calls == 1:
			out.FailedEntryCount++
			out.Entries = append(out.Entries, map[string]string{"ErrorCode": "ThrottlingException", "ErrorMessage": "busy"})
		default:
			s.entries = append(s.entries, e)
			out.Entries = append(out.Entries, map[string]string{"EventId": fmt.Sprint("e-", s.calls, "-", i)})
		}
	}
	body, err := json.Marshal(out)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(strings.NewReader(string(body))), Request: r,
	}, err
}

func (s *station) client() *awseventbridge.Client {
	return awseventbridge.New(awseventbridge.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://events.test"), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: &http.Client{Transport: s},
	})
}

// delivered is what a rule sends to a queue, as in "EventBridge event structure" of the User Guide.
func delivered(t *testing.T, e entry) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": e.DetailType, "source": e.Source,
		"account": "111122223333", "time": time.Unix(int64(e.Time), 0).UTC().Format(time.RFC3339), "region": "us-west-1",
		"resources": []string{}, "detail": json.RawMessage(e.Detail),
	})
	must(t, err)
	return body
}

func newPublisher(t *testing.T, s *station, bus string) *sqs.Publisher {
	t.Helper()
	carrier, err := eventbridge.NewCarrier(eventbridge.Config{Source: "shop"}, s.client())
	must(t, err)
	publisher, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Bus: bus}}}, nil, sqs.WithBuses(carrier))
	must(t, err)
	t.Cleanup(func() { must(t, publisher.Stop(context.Background())) })
	return publisher
}

var orderPaid = events.NewTopic[string]("order.paid")

func TestWhatARuleSendsToAQueueIsTheEvent(t *testing.T) {
	t.Parallel()
	s := &station{}
	e := orderPaid.New("ada", events.WithMetadata("tenant", "acme"))
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	must(t, newPublisher(t, s, "orders").Publish(ctx, e))
	on := s.entries[0]
	if on.EventBusName != "orders" || on.Source != "shop" || on.DetailType != "order.paid" || !strings.HasPrefix(on.TraceHeader, "Root=1-01000000-") {
		t.Errorf("on the bus: %+v", on)
	}

	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	got, err := decoder.Decode(events.Message{Body: delivered(t, on)})
	must(t, err)
	data, err := events.As[string](got[0])
	must(t, err)
	if len(got) != 1 || data.ID != e.ID || data.Name != e.Name || data.Data != "ada" || !data.Timestamp.Equal(e.Timestamp) || data.Metadata["tenant"] != "acme" {
		t.Errorf("got %+v, want %+v", got, e)
	}
}

func TestEachEntryOfABusHasItsOwnAnswer(t *testing.T) {
	t.Parallel()
	s := &station{}
	publisher := newPublisher(t, s, "arn:aws:events:us-east-1:111122223333:event-bus/orders")
	err := publisher.Publish(t.Context(), orderPaid.New("good"), orderPaid.New("bad"), orderPaid.New("busy"))
	failure, ok := errors.AsType[*sqs.PublishError](err)
	if !ok || failure.Event.Data != "bad" || failure.To != "orders" || failure.Uncertain || strings.Contains(err.Error(), "busy") {
		t.Errorf("%v, want the bad one alone", err)
	}
	if len(s.entries) != 2 || s.calls != 2 {
		t.Errorf("%d entries in %d requests, want 2 in 2: the busy one was sent again", len(s.entries), s.calls)
	}
}

func TestLimitsOfABus(t *testing.T) {
	t.Parallel()
	s := &station{}
	publisher := newPublisher(t, s, "orders")
	if err := publisher.Publish(t.Context(), orderPaid.New(strings.Repeat("x", 1<<20))); err == nil || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("%v, want the limit of 1048576 bytes", err)
	}
	if err := publisher.Publish(t.Context(), orderPaid.New("ada", sqs.WithDelay(time.Second))); err == nil || !strings.Contains(err.Error(), "delay") {
		t.Errorf("%v, want that a bus cannot delay", err)
	}
	if _, err := eventbridge.NewCarrier(eventbridge.Config{Source: "aws.mine"}, s.client()); err == nil {
		t.Error("a source of AWS's own was taken")
	}
	if _, err := eventbridge.NewCarrier(eventbridge.Config{}, nil); err == nil {
		t.Error("no client was taken")
	}
}

func TestModule(t *testing.T) {
	t.Parallel()
	s := &station{}
	var publisher *sqs.Publisher
	app := fx.New(goroutine.Module, events.Module, sqs.Module, eventbridge.Module, fx.NopLogger,
		fx.Supply(s.client(), sqs.Config{Publish: []sqs.Route{{Pattern: "**", Bus: "orders"}}}),
		fx.Populate(&publisher))
	must(t, app.Start(t.Context()))
	must(t, publisher.Publish(t.Context(), orderPaid.New("ada")))
	must(t, app.Stop(t.Context()))
	if len(s.entries) != 1 || s.entries[0].Source != "fxpond" {
		t.Errorf("on the bus: %+v", s.entries)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

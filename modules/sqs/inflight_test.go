package sqs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	otelattribute "go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestInFlightTellsHowEachMessageStands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := make(chan sqs.Delivery, 3)
		leave := make(chan struct{})
		r := newRig(t, rigConfig{
			queue:      sqs.Queue{Concurrency: 2},
			attributes: map[string]string{"VisibilityTimeout": "30"},
			listeners: []events.Listener{listen(func(ctx context.Context, _ int) error {
				d, ok := sqs.DeliveryFrom(ctx)
				if !ok {
					t.Error("a listener cannot learn of its message")
				}
				told <- d
				<-leave
				return nil
			})},
		})
		r.sendEvents(2)
		sent := time.Now()
		r.start()
		first, second := <-told, <-told
		wait(20 * time.Second) // at least one renewal
		all := r.consumer.InFlight()
		if len(all) != 2 {
			t.Fatalf("%d messages in flight, want 2: %+v", len(all), all)
		}
		for _, d := range all {
			if d.Queue != "work" || d.MessageID != first.MessageID && d.MessageID != second.MessageID || d.Receives != 1 ||
				!d.Started || d.ReceivedAt.Before(sent) || d.SentAt.IsZero() || !d.Deadline.After(first.Deadline) {
				t.Errorf("in flight: %+v; the listener saw %+v", d, first)
			}
		}
		close(leave)
		r.empty()
		if left := r.consumer.InFlight(); len(left) != 0 {
			t.Errorf("in flight after the end: %+v", left)
		}
	})
}

func TestDeliveryFromKnowsNothingOfOtherEvents(t *testing.T) {
	t.Parallel()
	if d, ok := sqs.DeliveryFrom(t.Context()); ok {
		t.Errorf("a delivery out of nowhere: %+v", d)
	}
}

func TestDeliveryCountsReceives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var receives []int
		r := newRig(t, rigConfig{queue: sqs.Queue{Concurrency: 1, Retry: sqs.Backoff{Min: -1}}, listeners: []events.Listener{
			listen(func(ctx context.Context, _ int) error {
				d, _ := sqs.DeliveryFrom(ctx)
				if receives = append(receives, d.Receives); d.Receives < 3 {
					return errors.New("not yet")
				}
				return nil
			}),
		}})
		r.sendEvents(1)
		r.start()
		r.empty()
		if len(receives) != 3 || receives[0] != 1 || receives[2] != 3 {
			t.Errorf("receives as the listener saw them: %v", receives)
		}
	})
}

func TestAnOutageIsUnansweredAndNotStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{listeners: []events.Listener{listen(func(context.Context, int) error { return nil })}})
		r.start()
		look := func() (unanswered, stuck time.Duration) {
			s := r.stats()
			return s.Unanswered, s.Stuck
		}
		for range 50 { // idle, with long polls of 5 s
			wait(time.Second + 300*time.Millisecond)
			if unanswered, stuck := look(); unanswered > 6*time.Second || stuck > 6*time.Second {
				t.Fatalf("an idle queue is unanswered for %v, stuck for %v", unanswered, stuck)
			}
		}
		must(t, r.srv.SetFaults(sqslocal.Fault{Effect: sqslocal.ServerError, Action: "ReceiveMessage"}))
		for range 300 {
			wait(time.Second)
			if _, stuck := look(); stuck > 12*time.Second {
				t.Fatalf("polls that fail count as stuck for %v", stuck)
			}
		}
		if unanswered, _ := look(); unanswered < 290*time.Second {
			t.Errorf("unanswered for %v after an outage of 300s", unanswered)
		}
		must(t, r.consumer.Pause())
		wait(30 * time.Second)
		if unanswered, stuck := look(); unanswered != 0 || stuck != 0 {
			t.Errorf("a paused queue is unanswered for %v, stuck for %v", unanswered, stuck)
		}
		must(t, r.consumer.Resume())
		must(t, r.srv.SetFaults())
		wait(20 * time.Second)
		if unanswered, _ := look(); unanswered > 6*time.Second {
			t.Errorf("unanswered for %v after the outage", unanswered)
		}
	})
}

func TestFullSlotsAreNoReasonToCallPollingStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		r := newRig(t, rigConfig{
			pool: goroutine.Config{MaxWorkers: 1}, attributes: map[string]string{"VisibilityTimeout": "30"},
			listeners: []events.Listener{listen(func(context.Context, int) error {
				<-leave
				return nil
			})},
		})
		r.sendEvents(2)
		r.start()
		wait(10 * time.Minute)
		if s := r.stats(); s.Running != 1 || s.Unanswered != 0 || s.Stuck != 0 {
			t.Errorf("with every slot at work: %+v", s)
		}
		close(leave)
		r.empty()
	})
}

// hungAPI ignores its context, as a broken client would.
type hungAPI struct {
	sqs.API
	hang chan struct{}
}

func (a *hungAPI) ReceiveMessage(context.Context, *awssqs.ReceiveMessageInput, ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	<-a.hang
	return &awssqs.ReceiveMessageOutput{}, nil
}

func TestAHungReceiveIsStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := newRig(t, rigConfig{api: func(api sqs.API) sqs.API { return &hungAPI{api, hang} }})
		r.start()
		wait(2 * time.Minute)
		if s := r.stats(); s.Stuck < 2*time.Minute-time.Second || s.Unanswered < 2*time.Minute-time.Second {
			t.Errorf("after two minutes in one receive: stuck %v, unanswered %v", s.Stuck, s.Unanswered)
		}
		close(hang)
	})
}

func TestDepthCountsTheQueueAndItsDeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, rigConfig{queue: sqs.Queue{Retry: sqs.Backoff{Min: -1}}, maxReceive: 1, listeners: []events.Listener{
			listen(func(_ context.Context, n int) error {
				if n < 3 {
					return events.Permanent(errors.New("no"))
				}
				return nil
			}),
		}})
		if _, err := r.consumer.Depth(t.Context(), "work"); err == nil || !strings.Contains(err.Error(), "start the consumer first") {
			t.Errorf("depth before the start: %v", err)
		}
		r.start()
		r.sendEvents(10)
		r.empty()
		must(t, r.consumer.Pause())
		wait(10 * time.Second) // the long poll in flight
		r.sendEvents(5)
		depth, err := r.consumer.Depth(t.Context(), "work")
		must(t, err)
		if want := (sqs.Depth{Visible: 5, DeadLetters: 3}); depth != want {
			t.Errorf("depth %+v, want %+v", depth, want)
		}
		if dead := r.stats().DeadLetter; dead != "work-dead" {
			t.Errorf("dead-letter queue %q", dead)
		}
		if _, err := r.consumer.Depth(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), `"other" is not consumed here`) {
			t.Errorf("depth of a queue that is not consumed: %v", err)
		}
	})
}

func TestConsumerMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		leave := make(chan struct{})
		r := newRig(t, rigConfig{
			queue:   sqs.Queue{Concurrency: 2, Retry: sqs.Backoff{Min: -1}},
			options: []sqs.Option{sqs.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))},
			listeners: []events.Listener{listen(func(ctx context.Context, n int) error {
				d, _ := sqs.DeliveryFrom(ctx)
				switch {
				case n == 0:
					return events.Permanent(errors.New("no"))
				case n == 1 && d.Receives == 1:
					return errors.New("not yet")
				case n == 3:
					<-leave
				}
				return nil
			})},
		})
		r.sendEvents(4)
		wait(2 * time.Second)
		r.start()
		r.eventually("all but one done", func() bool { s := r.stats(); return s.Acked == 3 && s.Running == 1 })
		wait(7 * time.Second)
		got := collect(t, reader)
		for name, want := range map[string]float64{
			"fxpond.sqs.settled.messages{dead_letter}":          1,
			"fxpond.sqs.settled.messages{retry}":                1,
			"fxpond.sqs.settled.messages{ack}":                  2,
			"fxpond.sqs.settled.messages{duplicate}":            0,
			"fxpond.sqs.message.age{}":                          4,
			"fxpond.sqs.messages{running}":                      1,
			"fxpond.sqs.messages{waiting}":                      0,
			"fxpond.sqs.paused{}":                               0,
			"fxpond.sqs.settle.failures{}":                      0,
			"fxpond.sqs.leases{lost}":                           0,
			"messaging.client.consumed.messages{}":              5,
			"fxpond.sqs.requests{ChangeMessageVisibilityBatch}": 1,
		} {
			if have, ok := got[name]; !ok || have != want {
				t.Errorf("%s is %v (there: %t), want %v", name, have, ok, want)
			}
		}
		if oldest := got["fxpond.sqs.oldest.message{}"]; oldest < 7 || oldest > 10 {
			t.Errorf("the oldest message is %v s old, want 7 and a little", oldest)
		}
		close(leave)
		r.empty()
		must(t, r.stop())
		if after := collect(t, reader); len(after) == 0 || after["fxpond.sqs.messages{running}"] != 0 {
			t.Errorf("after the stop: %v", after)
		}
		if _, there := collect(t, reader)["fxpond.sqs.paused{}"]; there {
			t.Error("gauges of a stopped consumer are still read")
		}
	})
}

// collect answers sums, gauges and counts of histograms, by name and the label that tells them apart.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	must(t, reader.Collect(context.Background(), &data))
	got := map[string]float64{}
	put := func(name string, labels otelattribute.Set, v float64) {
		kind := ""
		for _, key := range []otelattribute.Key{"fxpond.outcome", "fxpond.state", "fxpond.sqs.action"} {
			if value, ok := labels.Value(key); ok {
				kind = value.AsString()
			}
		}
		got[name+"{"+kind+"}"] += v
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Count))
				}
			}
		}
	}
	return got
}

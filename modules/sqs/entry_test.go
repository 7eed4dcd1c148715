package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.opentelemetry.io/otel/trace"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// What a program with a plain SDK finds in a message.
func TestAMessageMakesSenseToAnyReader(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	e := numbered("work.done", 7, events.WithSource("shop"), events.WithMetadata("tenant", "acme"), sqs.WithAttribute("priority", "high"))
	must(t, d.Publish(t.Context(), e))
	m := d.one(standard)

	var body map[string]any
	must(t, json.Unmarshal([]byte(aws.ToString(m.Body)), &body))
	for key, want := range map[string]string{
		"id": e.ID, "name": "work.done", "source": "shop", "data": "map[n:7]", "metadata": "map[tenant:acme]",
	} {
		if got := fmt.Sprint(body[key]); got != want {
			t.Errorf("body: %s is %s, want %s", key, got, want)
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(body["time"])); err != nil || !at.Equal(e.Timestamp) {
		t.Errorf("body: time is %v, want %v", body["time"], e.Timestamp)
	}
	for name, want := range map[string]string{events.AttributeEvent: "work.done", sqs.AttributeEventID: e.ID, "priority": "high"} {
		if got := attribute(m, name); got != want {
			t.Errorf("attribute %s is %q, want %q", name, got, want)
		}
	}
	if n := len(m.MessageAttributes); n != 3 {
		t.Errorf("%d attributes, want 3", n)
	}
	if e.Metadata["publish.attribute.priority"] != "high" {
		t.Error("the caller's event was changed")
	}
}

func TestAttributesOfTheUserComeFirst(t *testing.T) {
	t.Parallel()
	span := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
		SpanID:  trace.SpanID{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}, TraceFlags: trace.FlagsSampled,
		TraceState: must1(trace.ParseTraceState("vendor=1")),
	}))
	for _, test := range []struct {
		own  int
		want []string // beside the user's own
	}{
		{0, []string{"event", "event_id", "traceparent", "tracestate"}},
		{6, []string{"event", "event_id", "traceparent", "tracestate"}},
		{7, []string{"event", "event_id", "traceparent"}},
		{8, []string{"event", "event_id"}},
		{9, []string{"event"}},
		{10, nil},
	} {
		t.Run(fmt.Sprint(test.own, " of the user's"), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, sqs.Config{})
			var opts []events.EventOption
			for i := range test.own {
				opts = append(opts, sqs.WithAttribute(fmt.Sprint("own", i), "x"))
			}
			must(t, d.Publish(span, numbered("work.done", 1, opts...)))
			m := d.one(standard)
			got := slices.DeleteFunc(slices.Sorted(maps.Keys(m.MessageAttributes)), func(name string) bool { return strings.HasPrefix(name, "own") })
			if !slices.Equal(got, test.want) || len(m.MessageAttributes) != test.own+len(test.want) {
				t.Errorf("attributes beside the user's: %v, want %v", got, test.want)
			}
			header := system(m, types.MessageSystemAttributeNameAWSTraceHeader)
			if header != "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1" {
				t.Errorf("AWSTraceHeader is %q", header)
			}
			if p, ok := m.MessageAttributes["traceparent"]; ok && aws.ToString(p.StringValue) != "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" {
				t.Errorf("traceparent is %q", aws.ToString(p.StringValue))
			}
		})
	}
}

func TestWithoutASpanNothingIsTraced(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	must(t, d.Publish(t.Context(), numbered("work.done", 1, sqs.WithAttribute("traceparent", "mine"))))
	m := d.one(standard)
	if header := system(m, types.MessageSystemAttributeNameAWSTraceHeader); header != "" || attribute(m, "traceparent") != "mine" {
		t.Errorf("AWSTraceHeader %q, traceparent %q", header, attribute(m, "traceparent"))
	}
}

func TestTooManyAttributesAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	var opts []events.EventOption
	for i := range 11 {
		opts = append(opts, sqs.WithAttribute(fmt.Sprint("own", i), "x"))
	}
	if err := d.Publish(t.Context(), numbered("work.done", 1, opts...)); err == nil || !strings.Contains(err.Error(), "11 attributes") {
		t.Errorf("%v, want the number of attributes", err)
	}
	if n := d.requests(); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// Trace context must never be what makes a message too long.
func TestTraceContextTakesOnlyTheRoomThatIsLeft(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	span := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	for size := 1<<20 - 320; ; size += 15 {
		err := d.Publish(span, bulky(size))
		if err != nil {
			if size < 1<<20-300 || !strings.Contains(err.Error(), "the limit") {
				t.Errorf("a body of %d: %v", size, err)
			}
			break
		}
	}
	traced := 0
	all := d.receive(standard)
	for _, m := range all {
		if _, ok := m.MessageAttributes["traceparent"]; ok {
			traced++
		}
		if system(m, types.MessageSystemAttributeNameAWSTraceHeader) == "" {
			t.Error("AWSTraceHeader is missing; it is not counted")
		}
	}
	if traced == 0 || traced == len(all) {
		t.Errorf("%d of %d messages near the limit have a traceparent", traced, len(all))
	}
}

func TestGroupsAndDeduplication(t *testing.T) {
	t.Parallel()
	const group, dedup = types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameMessageDeduplicationId
	route := func(queue string) sqs.Config {
		return sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: queue, GroupBy: "tenant"}}}
	}
	tenant := events.WithMetadata("tenant", "acme")
	for _, test := range []struct {
		name, queue  string
		opts         []events.EventOption
		group, dedup string // "" for none, "id" for the event's
	}{
		{"fifo by default", fifo, nil, "user", "id"},
		{"fifo by the route", fifo, []events.EventOption{tenant}, "acme", "id"},
		{"fifo by the event", fifo, []events.EventOption{tenant, sqs.WithGroup("g"), sqs.WithDedupID("d")}, "g", "d"},
		{"ids that SQS would refuse", fifo, []events.EventOption{sqs.WithGroup("Grün 1"), sqs.WithDedupID(strings.Repeat("d", 129))}, "", ""},
		{"standard by default", standard, nil, "", ""},
		{"fair queue by the route", standard, []events.EventOption{tenant}, "acme", ""},
		{"fair queue by the event", standard, []events.EventOption{sqs.WithGroup("g"), sqs.WithDedupID("d")}, "g", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, route(test.queue))
			e := numbered("user.created", 1, test.opts...)
			must(t, d.Publish(t.Context(), e))
			m := d.one(test.queue)
			if test.name == "ids that SQS would refuse" {
				if a, b := system(m, group), system(m, dedup); len(a) != 64 || len(b) != 64 || a == b {
					t.Errorf("group %q, deduplication id %q: want two hashes", a, b)
				}
				return
			}
			want := strings.ReplaceAll(test.dedup, "id", e.ID)
			if a, b := system(m, group), system(m, dedup); a != test.group || b != want {
				t.Errorf("group %q, deduplication id %q, want %q and %q", a, b, test.group, want)
			}
		})
	}
}

func TestPublishingTwiceToFIFOStoresOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	e := numbered("fifo.done", 1)
	must(t, d.Publish(t.Context(), e))
	must(t, d.Publish(t.Context(), e))
	if n := d.srv.Journal().Count(fifo, sqslocal.Deduplicated); n != 1 {
		t.Errorf("%d sends were taken for duplicates, want 1", n)
	}
	d.one(fifo)
}

func TestDelays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, event string
		opt         events.EventOption
		problem     string
	}{
		{"up to 15 minutes", "work.done", sqs.WithDelay(1500 * time.Millisecond), ""},
		{"longer", "work.done", sqs.WithDelay(16 * time.Minute), "15m0s is the longest"},
		{"on FIFO", "fifo.done", sqs.WithDelay(time.Second), "cannot be delayed"},
		{"not a duration", "work.done", events.WithMetadata(sqs.MetadataDelay, "soon"), "no delay"},
		{"negative", "work.done", sqs.WithDelay(-time.Second), "no delay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, sqs.Config{})
			err := d.Publish(t.Context(), numbered(test.event, 1, test.opt))
			switch {
			case test.problem == "":
				must(t, err)
				if s, _ := d.srv.Queue(standard); s.Delayed != 1 || s.Visible != 0 {
					t.Errorf("queue: %+v, want one delayed message", s)
				}
			case err == nil || !strings.Contains(err.Error(), test.problem):
				t.Errorf("%v, want: %s", err, test.problem)
			}
		})
	}
}

func TestAnEventMayNameItsQueue(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{
		Publish: []sqs.Route{{Pattern: "**", Queue: standard}, {Pattern: "**", Queue: fifo, GroupBy: "tenant"}},
		Queues:  []sqs.Queue{{Name: standard}},
	})
	must(t, d.Publish(t.Context(), numbered("work.done", 1, sqs.WithQueue(fifo), events.WithMetadata("tenant", "ada"))))
	m := d.one(fifo)
	if group := m.Attributes["MessageGroupId"]; group != "ada" || strings.Contains(aws.ToString(m.Body), "publish.") {
		t.Errorf("group %q, body %s", group, aws.ToString(m.Body))
	}
	consumed := newDesk(t, sqs.Config{Publish: []sqs.Route{{Pattern: "a", Queue: fifo}}, Queues: []sqs.Queue{{Name: standard}}})
	must(t, consumed.Publish(t.Context(), numbered("work.done", 1, sqs.WithQueue(standard))))
	consumed.one(standard)
	for _, queue := range []string{"typo", "no name!"} {
		err := d.Publish(t.Context(), numbered("work.done", 1, sqs.WithQueue(queue)))
		if err == nil || !strings.Contains(err.Error(), "publish.queue") || !strings.Contains(err.Error(), queue) {
			t.Errorf("%v: want an error that names the queue %q", err, queue)
		}
	}
}

// An event that was received and is published again does not take its delay, group and attributes with it.
func TestInstructionsDoNotTravel(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	must(t, d.Publish(t.Context(), numbered("work.done", 1, sqs.WithGroup("g"), sqs.WithAttribute("a", "b"), events.WithMetadata("kept", "yes"))))
	body := aws.ToString(d.one(standard).Body)
	if strings.Contains(body, "publish.") || !strings.Contains(body, `"kept":"yes"`) {
		t.Errorf("body: %s", body)
	}
}

func TestAnEventWithoutIDGetsOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	sent, err := d.PublishAsync(t.Context(), events.Any{Name: "fifo.done", Data: 1}).Await(t.Context())
	must(t, err)
	m := d.one(fifo)
	id := attribute(m, sqs.AttributeEventID)
	if id == "" || id != sent.EventID || !strings.Contains(aws.ToString(m.Body), id) || sent.SequenceNumber == "" || sent.MessageID != aws.ToString(m.MessageId) {
		t.Errorf("id %q, answer %+v, body %s", id, sent, aws.ToString(m.Body))
	}
}

func TestAnEventThatIsNoJSONFailsAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	err := d.Publish(t.Context(), numbered("work.done", 1), events.Any{Name: "work.done", Data: make(chan int)}, numbered("work.done", 2))
	if err == nil || !strings.Contains(err.Error(), "unsupported type") {
		t.Errorf("%v, want the type that JSON has no form for", err)
	}
	if n := len(d.receive(standard)); n != 2 {
		t.Errorf("%d messages stored, want the 2 others", n)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

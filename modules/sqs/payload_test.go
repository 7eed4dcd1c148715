package sqs_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// shelf is an object store in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string]string
	failing error
}

func newShelf() *shelf { return &shelf{objects: map[string]string{}} }

func (s *shelf) Bucket() string { return "shelf" }

func (s *shelf) Put(_ context.Context, body []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint("object-", len(s.objects))
	s.objects[key] = string(body)
	return key, s.failing
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.objects[key]
	if !ok {
		return nil, sqs.ErrNoObject
	}
	return []byte(body), s.failing
}

func (s *shelf) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return s.failing
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects)
}

// text is a payload that says what it should be, and compresses well.
func text(size int) string { return strings.Repeat("the same again ", size/15+1)[:size] }

// roundTrip publishes a payload of each size to a consumer of the same queue, and answers what arrived.
// It ends once the queue is empty, or the message in the dead-letter queue.
func roundTrip(t *testing.T, cfg rigConfig, payload sqs.Payload, store sqs.ObjectStore, sizes ...int) (*rig, []string) {
	t.Helper()
	var mu sync.Mutex
	var got []string
	cfg.listeners = []events.Listener{events.On("bulk.sent", "reader", func(_ context.Context, e events.Event[string]) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e.Data)
		return nil
	})}
	if store != nil {
		cfg.options = append(cfg.options, sqs.WithObjectStore(store))
	}
	r := newRig(t, cfg)
	p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: r.queue}}, Payload: payload}, r.client, cfg.options...)
	must(t, err)
	for _, size := range sizes {
		must(t, p.Publish(t.Context(), events.NewTopic[string]("bulk.sent").New(text(size))))
	}
	must(t, p.Stop(t.Context()))
	r.start()
	r.empty()
	mu.Lock()
	defer mu.Unlock()
	return r, got
}

func TestLongBodiesArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		payload sqs.Payload
		store   *shelf
		sizes   []int
		objects int
	}{
		{"compressed", sqs.Payload{CompressAbove: 1000}, nil, []int{100, 5000, 900_000, 3_000_000}, 0},
		{"offloaded", sqs.Payload{}, newShelf(), []int{100, 900_000, 1_040_000}, 0},
		{"offloaded beyond what SQS takes", sqs.Payload{}, newShelf(), []int{100, 1_048_576}, 1},
		{"offloaded early", sqs.Payload{OffloadAbove: 1000}, newShelf(), []int{100, 5000, 900_000}, 2},
		{"compressed and offloaded", sqs.Payload{CompressAbove: 100, OffloadAbove: 100}, newShelf(), []int{5000, 3_000_000}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var store sqs.ObjectStore
				if test.store != nil {
					store = test.store
				}
				_, got := roundTrip(t, rigConfig{decode: events.DecodeConfig{MaxBody: 4 << 20}}, test.payload, store, test.sizes...)
				arrived := map[int]bool{}
				for _, body := range got {
					arrived[len(body)] = body == text(len(body))
				}
				for _, size := range test.sizes {
					if !arrived[size] {
						t.Errorf("the payload of %d bytes did not arrive as it was", size)
					}
				}
				if test.store != nil && test.store.count() != test.objects {
					t.Errorf("%d objects in the store, want %d", test.store.count(), test.objects)
				}
			})
		})
	}
}

func TestObjectsAreDeletedAfterTheirMessageWhenConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newShelf()
		r, got := roundTrip(t, rigConfig{queue: sqs.Queue{DeleteOffloaded: true}}, sqs.Payload{OffloadAbove: 1000}, store, 5000, 6000, 7000)
		if len(got) != 3 || store.count() != 0 {
			t.Errorf("%d events arrived, and %d objects are left", len(got), store.count())
		}
		must(t, r.stop())
	})
}

func TestAFailedDeleteOfAnObjectChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newShelf()
		broken := &brokenDelete{store}
		r, got := roundTrip(t, rigConfig{queue: sqs.Queue{DeleteOffloaded: true}}, sqs.Payload{OffloadAbove: 1000}, broken, 5000)
		if len(got) != 1 || r.logs.FilterMessageSnippet("object of a handled message").Len() != 1 {
			t.Errorf("%d events arrived, log: %v", len(got), r.logs.All())
		}
	})
}

type brokenDelete struct{ *shelf }

func (*brokenDelete) Delete(context.Context, string) error { return errors.New("no permission") }

// A store that is down for a while is a reason to wait, an object that is gone is not.
func TestWhatCannotBeFetched(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		spoil func(*shelf)
		mend  func(*shelf)
		store bool
		dead  bool
	}{
		{"gone", func(s *shelf) { s.objects = map[string]string{} }, nil, true, true},
		{"down for a while", func(s *shelf) { s.fail(errors.New("503")) }, func(s *shelf) { s.fail(nil) }, true, false},
		{"no store here", func(*shelf) {}, nil, false, true}, // by the redrive policy
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newShelf()
				ran := make(chan string, 1)
				cfg := rigConfig{maxReceive: 3, listeners: []events.Listener{
					events.On("bulk.sent", "reader", func(_ context.Context, e events.Event[string]) error { ran <- e.Data; return nil }),
				}}
				if test.store {
					cfg.options = append(cfg.options, sqs.WithObjectStore(store))
				}
				r := newRig(t, cfg)
				p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: r.queue}}, Payload: sqs.Payload{OffloadAbove: 100}},
					r.client, sqs.WithObjectStore(store))
				must(t, err)
				must(t, p.Publish(t.Context(), events.NewTopic[string]("bulk.sent").New(text(500))))
				must(t, p.Stop(t.Context()))
				test.spoil(store)
				r.start()
				r.eventually("a first attempt", func() bool { return r.stats().Retried+r.stats().DeadLettered > 0 })
				if test.mend != nil {
					test.mend(store)
				}
				if test.dead {
					r.eventually("the message in the dead-letter queue", func() bool { return r.depth(r.dead()) == 1 })
					return
				}
				if body := <-ran; body != text(500) {
					t.Errorf("the listener got %q", body)
				}
			})
		})
	}
}

// A message that AWS's Extended Client Library for Java or Python wrote.
func TestPointersOfOtherLibrariesAreFollowed(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newShelf()
				store.objects["by-java"] = `{"event":"work.done","n":42}`
				store.objects["elsewhere"] = `{"event":"work.done","n":43}`
				var ran count
				r := newRig(t, rigConfig{
					listeners: []events.Listener{listen(func(_ context.Context, n int) error { ran.add(n); return nil })},
					options:   []sqs.Option{sqs.WithObjectStore(store)},
				})
				for bucket, key := range map[string]string{"shelf": "by-java", "foreign": "elsewhere"} {
					_, err := r.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
						QueueUrl:    aws.String(r.url(r.queue)),
						MessageBody: aws.String(fmt.Sprintf(`[%q,{"s3BucketName":%q,"s3Key":%q}]`, class, bucket, key)),
						MessageAttributes: map[string]types.MessageAttributeValue{
							sqs.AttributePayloadSize: {DataType: aws.String("Number"), StringValue: aws.String("28")},
						},
					})
					must(t, err)
				}
				r.start()
				r.empty()
				if ran.of(42) != 1 || ran.of(43) != 0 {
					t.Errorf("ran %v, want 42 alone: pointers into another bucket are not followed", ran.order())
				}
				if n := r.depth(r.dead()); n != 1 {
					t.Errorf("%d messages in the dead-letter queue, want the one with the foreign bucket", n)
				}
			})
		})
	}
}

func TestAPointerIsWhatOtherLibrariesExpect(t *testing.T) {
	t.Parallel()
	store := newShelf()
	d := newDesk(t, sqs.Config{Payload: sqs.Payload{OffloadAbove: 100}}, sqs.WithObjectStore(store))
	must(t, d.Publish(t.Context(), bulky(500)))
	m := d.one(standard)
	var parts []json.RawMessage
	must(t, json.Unmarshal([]byte(aws.ToString(m.Body)), &parts))
	var class string
	var at struct{ S3BucketName, S3Key string }
	must(t, json.Unmarshal(parts[0], &class))
	must(t, json.Unmarshal(parts[1], &at))
	body := store.objects[at.S3Key]
	size := m.MessageAttributes[sqs.AttributePayloadSize]
	if class != "software.amazon.payloadoffloading.PayloadS3Pointer" || at.S3BucketName != "shelf" || !strings.Contains(body, "xxxx") ||
		aws.ToString(size.StringValue) != fmt.Sprint(len(body)) || aws.ToString(size.DataType) != "Number" {
		t.Errorf("pointer %s with attribute %v to a body of %d bytes", aws.ToString(m.Body), size, len(body))
	}
}

func TestABodyThatCannotBeOffloadedFailsItsPublish(t *testing.T) {
	t.Parallel()
	store := newShelf()
	store.fail(errors.New("no such bucket"))
	d := newDesk(t, sqs.Config{Payload: sqs.Payload{OffloadAbove: 100}}, sqs.WithObjectStore(store))
	if err := d.Publish(t.Context(), bulky(500)); err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("%v, want the store's error", err)
	}
}

func TestABodyThatIsTooLongSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{})
	if err := d.Publish(t.Context(), bulky(1<<20)); err == nil || !strings.Contains(err.Error(), "ObjectStore") {
		t.Errorf("%v, want the mend", err)
	}
}

func TestABodyThatDoesNotShrinkIsSentAsItIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sqs.Config{Payload: sqs.Payload{CompressAbove: 10}})
	must(t, d.Publish(t.Context(), numbered("work.done", 1)))
	m := d.one(standard)
	if attribute(m, sqs.AttributeEncoding) != "" || !json.Valid([]byte(aws.ToString(m.Body))) {
		t.Errorf("body %s, encoding %q", aws.ToString(m.Body), attribute(m, sqs.AttributeEncoding))
	}
}

// What pretends to be compressed is dead-lettered and takes no memory.
func TestABrokenCompressedBodyIsDeadLettered(t *testing.T) {
	t.Parallel()
	bomb := base64.StdEncoding.EncodeToString([]byte("\x28\xb5\x2f\xfd\xa0\xff\xff\xff\x7f")) // says it holds 2 GiB
	for name, body := range map[string]string{"no base64": "{}", "no zstd": "aGVsbG8=", "a bomb": bomb} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				_, err := r.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
					QueueUrl: aws.String(r.url(r.queue)), MessageBody: aws.String(body),
					MessageAttributes: map[string]types.MessageAttributeValue{
						sqs.AttributeEncoding: {DataType: aws.String("String"), StringValue: aws.String("zstd+base64")},
					},
				})
				must(t, err)
				r.start()
				r.empty()
				if n := r.depth(r.dead()); n != 1 {
					t.Errorf("%d messages in the dead-letter queue, want 1", n)
				}
			})
		})
	}
}

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/s3"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cellar is S3 as the SDK sees it on the wire: it takes, gives and deletes objects by their path.
type cellar struct {
	mu      sync.Mutex
	objects map[string]string // by bucket/key
	status  int               // of every answer, unless 0
}

func (c *cellar) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, body := http.StatusOK, ""
	switch at := strings.TrimPrefix(r.URL.Path, "/"); {
	case c.status != 0:
		status, body = c.status, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
	case !strings.HasPrefix(at, "long-messages/"):
		status, body = http.StatusNotFound, "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
	case r.Method == http.MethodPut:
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.objects[at] = string(text)
	case r.Method == http.MethodDelete:
		delete(c.objects, at)
		status = http.StatusNoContent
	default:
		object, ok := c.objects[at]
		if body = object; !ok {
			status, body = http.StatusNotFound, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
		}
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/xml"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func newCellar() *cellar { return &cellar{objects: map[string]string{}} }

func (c *cellar) client() *awss3.Client {
	return awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://s3.test"), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: &http.Client{Transport: c},
	})
}

func newStore(t *testing.T, c *cellar, cfg s3.Config) *s3.Store {
	t.Helper()
	store, err := s3.NewStore(cfg, c.client())
	must(t, err)
	return store
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	c := newCellar()
	store := newStore(t, c, s3.Config{Bucket: "long-messages", Prefix: "events/"})
	body := bytes.Repeat([]byte("long "), 1<<18)
	key, err := store.Put(t.Context(), body)
	must(t, err)
	other, err := store.Put(t.Context(), body)
	must(t, err)
	if key == other || !strings.HasPrefix(key, "events/") || c.objects["long-messages/"+key] != string(body) {
		t.Errorf("keys %q and %q", key, other)
	}
	got, err := store.Get(t.Context(), key)
	must(t, err)
	if !bytes.Equal(got, body) {
		t.Errorf("got %d bytes, want %d", len(got), len(body))
	}
	must(t, store.Delete(t.Context(), key))
	if _, err := store.Get(t.Context(), key); !errors.Is(err, sqs.ErrNoObject) {
		t.Errorf("%v, want ErrNoObject", err)
	}
	must(t, store.Delete(t.Context(), key))
}

// Only an object that is not there makes a message hopeless; all else may be mended.
func TestErrorsThatAreNoMissingObject(t *testing.T) {
	t.Parallel()
	c := newCellar()
	for name, get := range map[string]func() ([]byte, error){
		"no such bucket": func() ([]byte, error) {
			return newStore(t, c, s3.Config{Bucket: "nowhere"}).Get(t.Context(), "k")
		},
		"denied": func() ([]byte, error) {
			return newStore(t, &cellar{status: http.StatusForbidden}, s3.Config{Bucket: "long-messages"}).Get(t.Context(), "k")
		},
		"too long": func() ([]byte, error) {
			c.objects["long-messages/k"] = "12345"
			return newStore(t, c, s3.Config{Bucket: "long-messages", MaxBytes: 4}).Get(t.Context(), "k")
		},
	} {
		if _, err := get(); err == nil || errors.Is(err, sqs.ErrNoObject) {
			t.Errorf("%s: %v", name, err)
		}
	}
	denied := newStore(t, &cellar{status: http.StatusForbidden}, s3.Config{Bucket: "long-messages"})
	if _, err := denied.Put(t.Context(), nil); err == nil {
		t.Error("Put said nothing")
	}
	if err := denied.Delete(t.Context(), "k"); err == nil {
		t.Error("Delete said nothing")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := s3.NewStore(s3.Config{MaxBytes: -1}, newCellar().client()); err == nil || !strings.Contains(err.Error(), "Bucket") || !strings.Contains(err.Error(), "MaxBytes") {
		t.Errorf("%v, want both problems", err)
	}
	if _, err := s3.NewStore(s3.Config{Bucket: "b"}, nil); err == nil {
		t.Error("no client was taken")
	}
}

// The modules find each other: a long event goes through S3 and its object is deleted after it.
func TestModule(t *testing.T) {
	t.Parallel()
	c := newCellar()
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	defer func() { must(t, srv.Close()) }()
	_, err = srv.CreateQueue("work", nil)
	must(t, err)
	arrived := make(chan string, 1)
	listener := events.On("bulk.sent", "reader", func(_ context.Context, e events.Event[string]) error {
		arrived <- e.Data
		return nil
	})
	var publisher *sqs.Publisher
	app := fx.New(goroutine.Module, events.Module, sqs.Module, s3.Module, fx.NopLogger,
		fx.Supply(c.client(), srv.Client(), s3.Config{Bucket: "long-messages"},
			sqs.Config{Queues: []sqs.Queue{{Name: "work", DeleteOffloaded: true}}, Payload: sqs.Payload{OffloadAbove: 1000}}),
		fx.Provide(events.AsListener(func() events.Listener { return listener })),
		fx.Populate(&publisher))
	must(t, app.Start(t.Context()))
	body := strings.Repeat("long ", 1000)
	must(t, publisher.Publish(t.Context(), events.NewTopic[string]("bulk.sent").New(body)))
	if got := <-arrived; got != body {
		t.Errorf("got %d bytes, want %d", len(got), len(body))
	}
	srv.EndPolls()
	must(t, app.Stop(t.Context()))
	if len(c.objects) != 0 {
		t.Errorf("%d objects are left", len(c.objects))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package sns_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "arn:aws:sns:us-east-1:000000000000:users"

// post is SNS as the SDK sees it on the wire: it takes PublishBatch in the Query protocol.
type post struct {
	mu      sync.Mutex
	entries []url.Values // one for each message, keys without their prefix
	calls   int
}

// RoundTrip refuses messages that contain "bad" and fails those with "busy" the first time.
func (p *post) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	var ok, failed strings.Builder
	for i := 1; ; i++ {
		entry := url.Values{}
		for key, values := range form {
			if name, mine := strings.CutPrefix(key, fmt.Sprintf("PublishBatchRequestEntries.member.%d.", i)); mine {
				entry[name] = values
			}
		}
		if len(entry) == 0 {
			break
		}
		id, message := entry.Get("Id"), entry.Get("Message")
		switch {
		case form.Get("TopicArn") != topic && !strings.HasSuffix(form.Get("TopicArn"), ".fifo"):
			return answer(r, http.StatusNotFound, "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>"), nil
		case strings.Contains(message, `"bad"`):
			fmt.Fprintf(&failed, "<member><Id>%s</Id><Code>InvalidParameter</Code><Message>no</Message><SenderFault>true</SenderFault></member>", id)
		case strings.Contains(message, `"busy"`) && p.calls == 1:
			fmt.Fprintf(&failed, "<member><Id>%s</Id><Code>InternalError</Code><Message>busy</Message><SenderFault>false</SenderFault></member>", id)
		default:
			p.entries = append(p.entries, entry)
			fmt.Fprintf(&ok, "<member><Id>%s</Id><MessageId>m-%s-%d</MessageId></member>", id, id, p.calls)
		}
	}
	return answer(r, http.StatusOK, fmt.Sprintf(`<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Successful>%s</Successful><Failed>%s</Failed></PublishBatchResult></PublishBatchResponse>`, &ok, &failed)), nil
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func (p *post) client() *awssns.Client {
	return awssns.New(awssns.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sns.test"), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: &http.Client{Transport: p},
	})
}

// notification is what SNS sends to a queue that is subscribed without raw delivery, as in "Amazon SNS
// message and JSON formats" of its Developer Guide.
func notification(entry url.Values) []byte {
	attributes := map[string]any{}
	for i := 1; entry.Get(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)) != ""; i++ {
		at := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		attributes[entry.Get(at+"Name")] = map[string]string{"Type": entry.Get(at + "Value.DataType"), "Value": entry.Get(at + "Value.StringValue")}
	}
	body, _ := json.Marshal(map[string]any{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic,
		"Message": entry.Get("Message"), "Timestamp": "2026-05-02T00:54:06.655Z", "SignatureVersion": "1",
		"Signature": "EXAMPLEw6JRN...", "SigningCertURL": "https://sns.us-west-2.amazonaws.com/cert.pem",
		"UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe", "MessageAttributes": attributes,
	})
	return body
}

func newPublisher(t *testing.T, p *post, arn string, cfg sns.Config) *sqs.Publisher {
	t.Helper()
	carrier, err := sns.NewCarrier(cfg, p.client())
	must(t, err)
	publisher, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "user.**", Topic: arn}}}, nil, sqs.WithTopics(carrier))
	must(t, err)
	t.Cleanup(func() { must(t, publisher.Stop(context.Background())) })
	return publisher
}

var userCreated = events.NewTopic[string]("user.created")

func TestWhatATopicSendsToAQueueIsTheEvent(t *testing.T) {
	t.Parallel()
	p := &post{}
	e := userCreated.New("ada", events.WithSource("accounts"), events.WithMetadata("tenant", "acme"), sqs.WithAttribute("plan", "pro"))
	must(t, newPublisher(t, p, topic, sns.Config{}).Publish(t.Context(), e))

	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	for form, m := range map[string]events.Message{
		"wrapped": {Body: notification(p.entries[0])},
		"raw":     {Body: []byte(p.entries[0].Get("Message"))},
	} {
		got, err := decoder.Decode(m)
		must(t, err)
		data, err := events.As[string](got[0])
		must(t, err)
		if len(got) != 1 || data.ID != e.ID || data.Name != e.Name || data.Source != "accounts" || data.Data != "ada" || data.Metadata["tenant"] != "acme" {
			t.Errorf("%s: got %+v, want %+v", form, got, e)
		}
		if form == "wrapped" && (data.Metadata["plan"] != "pro" || data.Metadata["event"] != "user.created" || data.Metadata["event_id"] != e.ID) {
			t.Errorf("attributes: %v", data.Metadata)
		}
	}
}

func TestEachMessageOfATopicHasItsOwnAnswer(t *testing.T) {
	t.Parallel()
	p := &post{}
	publisher := newPublisher(t, p, topic, sns.Config{})
	err := publisher.Publish(t.Context(), userCreated.New("good"), userCreated.New("bad"), userCreated.New("busy"))
	failure, ok := errors.AsType[*sqs.PublishError](err)
	if !ok || failure.Event.Data != "bad" || failure.To != "users" || failure.Uncertain || strings.Contains(err.Error(), "busy") {
		t.Errorf("%v, want the bad one alone", err)
	}
	if len(p.entries) != 2 || p.calls != 2 {
		t.Errorf("%d messages in %d requests, want 2 in 2: the busy one was sent again", len(p.entries), p.calls)
	}
}

func TestAFIFOTopicGetsGroupsAndDeduplication(t *testing.T) {
	t.Parallel()
	p := &post{}
	e := userCreated.New("ada", sqs.WithGroup("acme"))
	must(t, newPublisher(t, p, topic+".fifo", sns.Config{}).Publish(t.Context(), e))
	if group, dedup := p.entries[0].Get("MessageGroupId"), p.entries[0].Get("MessageDeduplicationId"); group != "acme" || dedup != e.ID {
		t.Errorf("group %q, deduplication id %q", group, dedup)
	}
}

func TestATopicThatIsMissingIsNoReasonToRetry(t *testing.T) {
	t.Parallel()
	p := &post{}
	err := newPublisher(t, p, topic+"-gone", sns.Config{}).Publish(t.Context(), userCreated.New("ada"))
	if err == nil || !strings.Contains(err.Error(), "Topic does not exist") || p.calls != 1 {
		t.Errorf("%v after %d requests", err, p.calls)
	}
}

func TestLimitsOfATopic(t *testing.T) {
	t.Parallel()
	p := &post{}
	publisher := newPublisher(t, p, topic, sns.Config{})
	if err := publisher.Publish(t.Context(), userCreated.New(strings.Repeat("x", 256<<10))); err == nil || !strings.Contains(err.Error(), "262144") {
		t.Errorf("%v, want the limit of 262144 bytes", err)
	}
	must(t, newPublisher(t, p, topic, sns.Config{MaxBytes: 1 << 20}).Publish(t.Context(), userCreated.New(strings.Repeat("x", 256<<10))))
	if err := publisher.Publish(t.Context(), userCreated.New("ada", sqs.WithDelay(1e9))); err == nil || !strings.Contains(err.Error(), "delay") {
		t.Errorf("%v, want that a topic cannot delay", err)
	}
	for _, n := range []int{-1, 1<<20 + 1} {
		if _, err := sns.NewCarrier(sns.Config{MaxBytes: n}, p.client()); err == nil {
			t.Errorf("MaxBytes %d was taken", n)
		}
	}
	if _, err := sns.NewCarrier(sns.Config{}, nil); err == nil {
		t.Error("no client was taken")
	}
}

func TestModule(t *testing.T) {
	t.Parallel()
	p := &post{}
	var publisher *sqs.Publisher
	app := fx.New(goroutine.Module, events.Module, sqs.Module, sns.Module, fx.NopLogger,
		fx.Supply(p.client(), sqs.Config{Publish: []sqs.Route{{Pattern: "**", Topic: topic}}}),
		fx.Populate(&publisher))
	must(t, app.Start(t.Context()))
	must(t, publisher.Publish(t.Context(), userCreated.New("ada")))
	must(t, app.Stop(t.Context()))
	if len(p.entries) != 1 {
		t.Errorf("%d messages, want 1", len(p.entries))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

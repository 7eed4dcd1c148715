package events_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

func newDecoder(t testing.TB, cfg events.DecodeConfig, own ...events.Envelope) *events.Decoder {
	t.Helper()
	d, err := events.NewDecoder(cfg, own...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// quote makes a JSON string of s, as SNS does with messages.
func quote(s string) string {
	text, _ := json.Marshal(s) //nolint:errchkjson // strings always encode
	return string(text)
}

func snsBody(message, attributes, subject string) string {
	return `{"Type":"Notification","MessageId":"sns-1","TopicArn":"arn:aws:sns:eu-west-1:1:users","Subject":` + quote(subject) +
		`,"Message":` + quote(message) + `,"Timestamp":"2026-01-02T03:04:05.678Z","MessageAttributes":` + attributes + `}`
}

const (
	ownBody = `{"fxpond":1,"id":"own-1","name":"user.created","time":"2026-01-02T03:04:05.678Z","source":"accounts","metadata":{"traceparent":"00-a-b-01"},"data":{"n":1}}`
	ceBody  = `{"specversion":"1.0","id":"ce-1","source":"/accounts","type":"user.created","time":"2026-01-02T03:04:05.678Z","subject":"u/1","data":{"n":1}}`
	ebBody  = `{"version":"0","id":"eb-1","detail-type":"Object Created","source":"aws.s3","account":"123","time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":[],"detail":{"n":1,"type":"not the name"}}`
	s3Body  = `{"Records":[
		{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectCreated:Put","responseElements":{"x-amz-request-id":"REQ"},"s3":{"object":{"key":"a+b.txt"}}},
		{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectRemoved:Delete","responseElements":{"x-amz-request-id":"REQ"},"s3":{"object":{"key":"c"}}}]}`
	laravelBody = `{"uuid":"lv-1","displayName":"App\\Jobs\\SendInvoice","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":3,"data":{"commandName":"App\\Jobs\\SendInvoice","command":"O:20:\"App\\Jobs\\SendInvoice\":0:{}"},"createdAt":1767323045}`
)

var (
	sent   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	inside = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	exact  = inside.Truncate(time.Second)
)

func TestDecodeEachForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		msg  events.Message
		want []events.Any // Data as a string of JSON
	}{
		{
			"own envelope",
			events.Message{Body: []byte(ownBody), Attributes: map[string]string{"event": "ignored"}},
			[]events.Any{{
				ID: "own-1", Name: "user.created", Source: "accounts", Timestamp: inside, Data: `{"n":1}`,
				Metadata: map[string]string{"event": "ignored", "traceparent": "00-a-b-01"},
			}},
		},
		{
			"sns",
			events.Message{Body: []byte(snsBody(`{"event":"user.created","n":1}`, `{"tenant":{"Type":"String","Value":"t1"}}`, ""))},
			[]events.Any{{
				ID: "sns-1", Name: "user.created", Source: "arn:aws:sns:eu-west-1:1:users", Timestamp: inside,
				Data: `{"event":"user.created","n":1}`, Metadata: map[string]string{"tenant": "t1"},
			}},
		},
		{
			"sns with name in attribute",
			events.Message{Body: []byte(snsBody(`[1]`, `{"event":{"Type":"String","Value":"user.created"}}`, "subject"))},
			[]events.Any{{
				ID: "sns-1", Name: "user.created", Source: "arn:aws:sns:eu-west-1:1:users", Timestamp: inside,
				Data: `[1]`, Metadata: map[string]string{"event": "user.created"},
			}},
		},
		{
			"sns with text and subject",
			events.Message{Body: []byte(snsBody("[ALERT] disk\nfull", `{}`, "Disk alert"))},
			[]events.Any{{
				ID: "sns-1", Name: "Disk alert", Source: "arn:aws:sns:eu-west-1:1:users", Timestamp: inside,
				Data: `"[ALERT] disk\nfull"`,
			}},
		},
		{
			"sns raw delivery",
			events.Message{Body: []byte(`{"n":1}`), Attributes: map[string]string{"event_name": "user.created"}},
			[]events.Any{{
				ID: "m-1", Name: "user.created", Source: "queue", Timestamp: sent, Data: `{"n":1}`,
				Metadata: map[string]string{"event_name": "user.created"},
			}},
		},
		{
			"eventbridge",
			events.Message{Body: []byte(ebBody)},
			[]events.Any{{
				ID: "eb-1", Name: "aws.s3.Object Created", Source: "aws.s3", Timestamp: exact, Data: `{"n":1,"type":"not the name"}`,
				Metadata: map[string]string{"eventbridge.account": "123", "eventbridge.region": "eu-west-1", "eventbridge.detail-type": "Object Created"},
			}},
		},
		{
			"s3, one event per record",
			events.Message{Body: []byte(s3Body)},
			[]events.Any{
				{ID: "REQ-*", Name: "s3.ObjectCreated.Put", Source: "aws:s3:eu-west-1", Timestamp: inside, Data: `a+b.txt`},
				{ID: "REQ-*", Name: "s3.ObjectRemoved.Delete", Source: "aws:s3:eu-west-1", Timestamp: inside, Data: `"key":"c"`},
			},
		},
		{"s3 test event", events.Message{Body: []byte(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`)}, nil},
		{
			"cloudevents structured",
			events.Message{Body: []byte(ceBody)},
			[]events.Any{{
				ID: "ce-1", Name: "user.created", Source: "/accounts", Timestamp: inside, Data: `{"n":1}`,
				Metadata: map[string]string{"subject": "u/1"},
			}},
		},
		{
			"cloudevents base64 json",
			events.Message{Body: []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(`{"n":1}`)) + `"}`)},
			[]events.Any{{ID: "1", Name: "t", Source: "s", Timestamp: sent, Data: `{"n":1}`}},
		},
		{
			"cloudevents base64 image",
			events.Message{Body: []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"image/png","data_base64":"iVBORw=="}`)},
			[]events.Any{{ID: "1", Name: "t", Source: "s", Timestamp: sent, Data: `"iVBORw=="`}},
		},
		{
			"cloudevents without data",
			events.Message{Body: []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t"}`)},
			[]events.Any{{ID: "1", Name: "t", Source: "s", Timestamp: sent, Data: `null`}},
		},
		{
			"cloudevents binary",
			events.Message{Body: []byte(`{"n":1}`), Attributes: map[string]string{
				"ce-specversion": "1.0", "ce-type": "user.created", "ce_id": "ceb-1", "ce-source": "/a", "ce-time": "2026-01-02T03:04:05.678Z",
			}},
			[]events.Any{{
				ID: "ceb-1", Name: "user.created", Source: "/a", Timestamp: inside, Data: `{"n":1}`,
				Metadata: map[string]string{"ce-specversion": "1.0", "ce-type": "user.created", "ce_id": "ceb-1", "ce-source": "/a", "ce-time": "2026-01-02T03:04:05.678Z"},
			}},
		},
		{
			"laravel job",
			events.Message{Body: []byte(laravelBody)},
			[]events.Any{{
				ID: "lv-1", Name: `App\Jobs\SendInvoice`, Source: "queue", Timestamp: exact, Data: `"commandName":"App\\Jobs\\SendInvoice"`,
				Metadata: map[string]string{"laravel.job": `Illuminate\Queue\CallQueuedHandler@call`, "laravel.command": `App\Jobs\SendInvoice`},
			}},
		},
		{
			"raw with name in body",
			events.Message{Body: []byte(` {"type":"user.created","n":1} `)},
			[]events.Any{{ID: "m-1", Name: "user.created", Source: "queue", Timestamp: sent, Data: `"n":1`}},
		},
		{
			"raw with escaped key",
			events.Message{Body: []byte(`{"\u0065vent":"user.created"}`)},
			[]events.Any{{ID: "m-1", Name: "user.created", Source: "queue", Timestamp: sent, Data: `user.created`}},
		},
		{
			"raw with the queue's name",
			events.Message{Body: []byte(`[1,2]`), Name: "numbers"},
			[]events.Any{{ID: "m-1", Name: "numbers", Source: "queue", Timestamp: sent, Data: `[1,2]`}},
		},
		{
			"envelope left closed when pinned to raw",
			events.Message{Body: []byte(ceBody), Format: events.FormatRaw},
			[]events.Any{{ID: "m-1", Name: "user.created", Source: "queue", Timestamp: sent, Data: `"specversion":"1.0"`}},
		},
		{
			"eventbridge in sns",
			events.Message{Body: []byte(snsBody(ebBody, `{}`, ""))},
			[]events.Any{{
				ID: "eb-1", Name: "aws.s3.Object Created", Source: "aws.s3", Timestamp: exact, Data: `{"n":1,"type":"not the name"}`,
				Metadata: map[string]string{"eventbridge.account": "123", "eventbridge.region": "eu-west-1", "eventbridge.detail-type": "Object Created"},
			}},
		},
		{
			"cloudevents in eventbridge in sns",
			events.Message{Body: []byte(snsBody(strings.Replace(ebBody, `{"n":1,"type":"not the name"}`, ceBody, 1), `{"k":{"Type":"String","Value":"v"}}`, ""))},
			[]events.Any{{
				ID: "ce-1", Name: "user.created", Source: "/accounts", Timestamp: inside, Data: `{"n":1}`,
				Metadata: map[string]string{"k": "v", "subject": "u/1", "eventbridge.account": "123", "eventbridge.region": "eu-west-1", "eventbridge.detail-type": "Object Created"},
			}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.msg.ID, tc.msg.Source, tc.msg.SentAt = "m-1", "queue", sent
			got, err := newDecoder(t, events.DecodeConfig{}).Decode(tc.msg)
			if err != nil || len(got) != len(tc.want) {
				t.Fatalf("%d events, %v; want %d", len(got), err, len(tc.want))
			}
			for i := range got {
				sameEvent(t, got[i], tc.want[i])
			}
		})
	}
}

func sameEvent(t *testing.T, got, want events.Any) {
	t.Helper()
	if prefix, varies := strings.CutSuffix(want.ID, "*"); varies && strings.HasPrefix(got.ID, prefix) && len(got.ID) == len(prefix)+16 {
		want.ID = got.ID
	}
	if got.ID != want.ID || got.Name != want.Name || got.Source != want.Source || !got.Timestamp.Equal(want.Timestamp) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Timestamp.Location() != time.UTC {
		t.Errorf("timestamp is in %v", got.Timestamp.Location())
	}
	if len(got.Metadata)+len(want.Metadata) > 0 && !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("metadata %v, want %v", got.Metadata, want.Metadata)
	}
	payload, ok := got.Data.(*events.Payload)
	if !ok || !json.Valid(payload.Raw()) || !strings.Contains(string(payload.Raw()), fmt.Sprint(want.Data)) {
		t.Errorf("payload %v, want %v", got.Data, want.Data)
	}
}

func TestEventsOfOneMessageHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{}, twofold{})
	for _, body := range []string{s3Body, strings.ReplaceAll(s3Body, "x-amz-request-id", "other"), "2"} {
		var ids []string
		for range 2 { // the same on each delivery
			all, err := d.Decode(events.Message{ID: "m", Body: []byte(body)})
			if err != nil || len(all) != 2 || all[0].ID == all[1].ID {
				t.Fatalf("%+v, %v", all, err)
			}
			ids = append(ids, all[0].ID+all[1].ID)
		}
		if ids[0] != ids[1] {
			t.Errorf("IDs differ between deliveries: %q", ids)
		}
	}
}

// twofold is an envelope of two events without IDs.
type twofold struct{}

func (twofold) Format() events.Format       { return "twofold" }
func (twofold) Detect(l *events.Layer) bool { return string(l.Body) == "2" }
func (twofold) Unwrap(*events.Layer) ([]events.Part, error) {
	return []events.Part{{Name: "a"}, {Name: "b"}}, nil
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat(`}`, 200)
	nest := snsBody(snsBody(snsBody(snsBody(`{"event":"x"}`, `{}`, ""), `{}`, ""), `{}`, ""), `{}`, "")
	for _, tc := range []struct {
		name string
		msg  events.Message
		cfg  events.DecodeConfig
		want string
	}{
		{"empty body", events.Message{}, events.DecodeConfig{}, "body is empty"},
		{"blank body", events.Message{Body: []byte(" \n")}, events.DecodeConfig{}, "broken JSON: ends after 2 bytes"},
		{"no JSON", events.Message{Body: []byte("Hello")}, events.DecodeConfig{}, "broken JSON at offset 0"},
		{"cut off", events.Message{Body: []byte(`{"event":"user.created","data":{"a":`)}, events.DecodeConfig{}, "broken JSON: ends after 36 bytes in the middle of a value"},
		{"broken in the payload", events.Message{Body: []byte(`{"event":"user.created","data":{"a":tru}}`)}, events.DecodeConfig{}, "broken JSON at offset 39"},
		{"trailing text", events.Message{Body: []byte(`{"event":"user.created"} x`)}, events.DecodeConfig{}, "broken JSON at offset 25"},
		{"too large", events.Message{Body: []byte(`{"event":"` + strings.Repeat("x", 1<<20) + `"}`)}, events.DecodeConfig{}, "body has 1048588 bytes, more than 1048576"},
		{"too deep", events.Message{Body: []byte(deep)}, events.DecodeConfig{}, "nested too deeply: more than 128 levels at offset 640"},
		{"too many layers", events.Message{Body: []byte(nest)}, events.DecodeConfig{}, "sns>sns>sns>sns: more than 3 envelopes inside each other"},
		{"too much output", events.Message{Body: []byte(nest)}, events.DecodeConfig{MaxDecoded: 1000, MaxLayers: 9}, "sns: unwraps to more than 1000 bytes"},
		{"no name", events.Message{Body: []byte(`{"hello":1}`)}, events.DecodeConfig{}, "no event name in attributes [event event_name type] or body fields [event type name]"},
		{"bad name", events.Message{Body: []byte(`{"event":"a..b"}`)}, events.DecodeConfig{}, `event name "a..b": empty segment`},
		{"wildcard as name", events.Message{Body: []byte(`{"event":"user.*"}`)}, events.DecodeConfig{}, `wildcards belong in patterns`},
		{"name of a megabyte", events.Message{Body: []byte(`{"event":"` + strings.Repeat("x", 1000) + `"}`)}, events.DecodeConfig{}, `x…": longer than 255 bytes`},
		{"broken inside sns", events.Message{Body: []byte(snsBody(`{"event":`, `{}`, ""))}, events.DecodeConfig{}, "sns: broken JSON: ends after 9 bytes"},
		{"sns attributes of another kind", events.Message{Body: []byte(snsBody(`{"n":1}`, `[1]`, ""))}, events.DecodeConfig{}, "sns: no event name"},
		{"newer version of ours", events.Message{Body: []byte(`{"fxpond":2,"name":"x"}`)}, events.DecodeConfig{}, "fxpond: version 2 is not known; this release knows 1"},
		{"ours without a name", events.Message{Body: []byte(`{"fxpond":1}`)}, events.DecodeConfig{}, "fxpond: name is missing"},
		{"s3 record without a name", events.Message{Body: []byte(`{"Records":[{"eventSource":"aws:s3"}]}`)}, events.DecodeConfig{}, "s3: record 0: eventName is missing"},
		{"cloudevents base64", events.Message{Body: []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"?"}`)}, events.DecodeConfig{}, "cloudevents: data_base64: illegal base64"},
		{"cloudevents without id", events.Message{Body: []byte(`{"specversion":"1.0","id":"","source":"s","type":"t"}`)}, events.DecodeConfig{}, "cloudevents: id, source or type is empty"},
		{"binary without source", events.Message{Body: []byte(`1`), Attributes: map[string]string{"ce-specversion": "1.0", "ce-type": "t"}}, events.DecodeConfig{}, "cloudevents-binary: attribute ce-id or ce-source is missing"},
		{"binary with broken body", events.Message{Body: []byte(`{`), Attributes: map[string]string{"ce-specversion": "1.0", "ce-type": "t"}}, events.DecodeConfig{}, "cloudevents-binary: broken JSON"},
		{"not the pinned format", events.Message{Body: []byte(ownBody), Format: events.FormatSNS}, events.DecodeConfig{}, "body is not sns, the format set for this source"},
		{"broken and pinned", events.Message{Body: []byte(`{`), Format: events.FormatSNS}, events.DecodeConfig{}, "broken JSON"},
		{"unknown format", events.Message{Body: []byte(ownBody), Format: "xml"}, events.DecodeConfig{}, `format "xml" is not in the decoding chain [fxpond sns`},
		{"format switched off", events.Message{Body: []byte(ownBody), Format: events.FormatFxpond}, events.DecodeConfig{Formats: []events.Format{events.FormatSNS}}, `format "fxpond" is not in the decoding chain [sns raw]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newDecoder(t, tc.cfg).Decode(tc.msg)
			failed, ok := errors.AsType[*events.DecodeError](err)
			if !ok || got != nil || !strings.Contains(failed.Error(), tc.want) {
				t.Errorf("got %v, %v\nwant %q", got, err, tc.want)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the error repeats the body: %d bytes", len(err.Error()))
			}
		})
	}
}

func TestMessagesAtTheLimitsDecode(t *testing.T) {
	t.Parallel()
	body := `{"event":"big","data":"` + strings.Repeat("x", 1<<20-26) + `"}`
	if len(body) > 1<<20 {
		t.Fatal("body is too large for the test")
	}
	deep := strings.Repeat(`{"event":"x","a":`, 127) + `{}` + strings.Repeat(`}`, 127)
	layers := snsBody(snsBody(snsBody(`{"event":"x"}`, `{}`, ""), `{}`, ""), `{}`, "")
	for _, text := range []string{body, deep, layers} {
		if got, err := newDecoder(t, events.DecodeConfig{}).Decode(events.Message{Body: []byte(text)}); err != nil || len(got) != 1 {
			t.Errorf("%d events, %v", len(got), err)
		}
	}
}

func TestRawNamesAndPayloadsAreConfigurable(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{
		NameAttributes: []string{"X-GitHub-Event"}, NameFields: []string{"kind"}, PayloadField: "body",
		EventBridgeName: "{detail-type}", Formats: []events.Format{events.FormatEventBridge},
	})
	for _, tc := range []struct {
		msg        events.Message
		name, data string
	}{
		{events.Message{Body: []byte(`{"kind":"a","body":{"n":1}}`)}, "a", `{"n":1}`},
		{events.Message{Body: []byte(`{"kind":"a","event":"b"}`), Attributes: map[string]string{"X-GitHub-Event": "push"}}, "push", `{"kind":"a","event":"b"}`},
		{events.Message{Body: []byte(ebBody)}, "Object Created", `{"n":1,"type":"not the name"}`},
		{events.Message{Body: []byte(strings.Replace(ownBody, "{", `{"kind":"k",`, 1))}, "k", `"fxpond":1`},
	} {
		got, err := d.Decode(tc.msg)
		if err != nil || len(got) != 1 {
			t.Fatalf("%d events, %v", len(got), err)
		}
		if got[0].ID == "" || got[0].Timestamp.IsZero() {
			t.Errorf("no ID or time: %+v", got[0])
		}
		payload, ok := got[0].Data.(*events.Payload)
		if !ok || got[0].Name != tc.name || !strings.Contains(string(payload.Raw()), tc.data) {
			t.Errorf("got %q %v, want %q %s", got[0].Name, got[0].Data, tc.name, tc.data)
		}
	}
}

func TestEncodeAndDecodeAreInverse(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{})
	e := userCreated.New(user{Name: "<é>", Tags: []string{"t"}}, events.WithSource("accounts"), events.WithMetadata("k", "v"), events.WithTimestamp(inside.In(time.FixedZone("", 3600))))
	body, attributes, err := events.Encode(e)
	if err != nil || attributes[events.AttributeEvent] != "user.created" {
		t.Fatal(attributes, err)
	}
	for range 2 { // what was decoded encodes to the same bytes
		got, err := d.Decode(events.Message{Body: body})
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		want := e
		want.Data = `{"name":"<é>","email":"","tags":["t"]}`
		sameEvent(t, got[0], want)
		typed, err := events.As[user](got[0])
		if err != nil || typed.Data.Tags[0] != "t" {
			t.Error(typed, err)
		}
		again, _, err := events.Encode(got[0])
		if err != nil || string(again) != string(body) {
			t.Errorf("encodes to %s, want %s (%v)", again, body, err)
		}
	}
	for _, bad := range []events.Any{{Name: ""}, {Name: "a.*"}, {Name: "x", Data: make(chan int)}} {
		if _, _, err := events.Encode(bad); err == nil {
			t.Errorf("%+v encodes", bad)
		}
	}
	bare, _, err := events.Encode(events.Any{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Decode(events.Message{Body: bare}); err != nil || got[0].ID == "" || got[0].Timestamp.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

// shouted is an envelope of the user's: text in capitals between exclamation marks.
type shouted struct{}

func (shouted) Format() events.Format { return "shouted" }
func (shouted) Detect(l *events.Layer) bool {
	return !l.JSON() && strings.HasPrefix(string(l.Body), "!")
}

func (shouted) Unwrap(l *events.Layer) ([]events.Part, error) {
	inner := strings.ToLower(strings.Trim(string(l.Body), "!"))
	if len(inner) > l.Budget() {
		return nil, errors.New("too loud")
	}
	return []events.Part{{Body: []byte(inner), Nested: true}}, nil
}

// greedy claims every object with a key that no built-in envelope looks at.
type greedy struct{}

func (greedy) Format() events.Format       { return "greedy" }
func (greedy) Detect(l *events.Layer) bool { _, ok := l.Text("greedy"); return ok }
func (greedy) Unwrap(l *events.Layer) ([]events.Part, error) {
	name, _ := l.Text("greedy")
	return []events.Part{{Name: name, Body: l.Body}}, nil
}

func TestUsersExtendAndReorderTheChain(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{}, shouted{}, greedy{})
	for body, name := range map[string]string{
		`!{"EVENT":"USER.CREATED"}!`:                          "user.created",
		strings.Replace(ownBody, "{", `{"greedy":"mine",`, 1): "mine",
	} {
		got, err := d.Decode(events.Message{Body: []byte(body)})
		if err != nil || len(got) != 1 || got[0].Name != name {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
	reordered := newDecoder(t, events.DecodeConfig{Formats: []events.Format{"fxpond", "greedy", "raw"}}, shouted{}, greedy{})
	got, err := reordered.Decode(events.Message{Body: []byte(strings.Replace(ownBody, "{", `{"greedy":"mine",`, 1))})
	if err != nil || got[0].Name != "user.created" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = events.NewDecoder(events.DecodeConfig{Formats: []events.Format{"fxpond", "fxpond", "xml"}, MaxBody: -1}, greedy{}, greedy{}, nil)
	for _, want := range []string{"have the same format", "listed twice", "no such format", "decoder 3 of 3 is nil", "Decode.MaxBody is -1"} {
		expectError(t, err, want)
	}
}

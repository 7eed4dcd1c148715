package events_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
)

// memoryOf returns how many bytes f allocates, the garbage included.
func memoryOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Decoding may take 8 times the body, and a constant for what any message needs.
const (
	memoryFactor   = 8
	memoryConstant = 64 << 10
)

// checkDecode decodes and sees to it that whatever comes in, what comes out is
// sound: events that hold together, or a *DecodeError that is permanent.
func checkDecode(t *testing.T, d *events.Decoder, m events.Message) []events.Any {
	t.Helper()
	var (
		all []events.Any
		err error
	)
	size := len(m.Body)
	for k, v := range m.Attributes {
		size += len(k) + len(v)
	}
	var took uint64
	if size < 1024 { // below, the constant is all there is to measure, and measuring stops the world
		all, err = d.Decode(m)
	} else {
		took = memoryOf(func() { all, err = d.Decode(m) })
	}
	if limit := uint64(memoryFactor*size + memoryConstant); took > limit {
		t.Errorf("decoding %d bytes took %d, more than %d", size, took, limit)
	}
	if err != nil {
		failed, ok := errors.AsType[*events.DecodeError](err)
		if !ok || failed.Reason == "" || len(err.Error()) > 2048 || all != nil {
			t.Errorf("%d events, error of %d bytes: %.300v", len(all), len(err.Error()), err)
		}
		return nil
	}
	for _, e := range all {
		payload, ok := e.Data.(*events.Payload)
		if events.CheckName(e.Name) != nil || e.ID == "" || e.Timestamp.IsZero() || !ok || !json.Valid(payload.Raw()) {
			t.Errorf("unsound event %+v", e)
			continue
		}
		if _, err := events.As[any](e); err != nil {
			t.Errorf("payload of %q does not decode: %v", e.Name, err)
		}
		if _, _, err := events.Encode(e); err != nil {
			t.Errorf("%q does not encode: %v", e.Name, err)
		}
	}
	return all
}

// fuzzFormat fuzzes one envelope, with the layers inside found out.
func fuzzFormat(f *testing.F, format events.Format, seeds ...string) {
	d := newDecoder(f, events.DecodeConfig{})
	for _, seed := range seeds {
		f.Add([]byte(seed), "event", "user.created")
	}
	for _, seed := range scanSeeds {
		f.Add([]byte(seed), "ce-type", "x")
	}
	f.Fuzz(func(t *testing.T, body []byte, attribute, value string) {
		checkDecode(t, d, events.Message{Body: body, Attributes: map[string]string{attribute: value}, Format: format})
	})
}

func FuzzFxpond(f *testing.F) {
	fuzzFormat(f, events.FormatFxpond, ownBody, strings.Replace(ownBody, "1", "2", 1))
}

func FuzzSNS(f *testing.F) {
	fuzzFormat(f, events.FormatSNS, snsBody(`{"event":"x"}`, `{"a":{"Type":"String","Value":"b"}}`, "s"), snsBody(snsBody(ebBody, `{}`, ""), `{}`, ""), snsBody("text", `[]`, "s"))
}

func FuzzEventBridge(f *testing.F) {
	fuzzFormat(f, events.FormatEventBridge, ebBody, strings.Replace(ebBody, `{"n":1,"type":"not the name"}`, ceBody, 1))
}

func FuzzS3(f *testing.F) {
	fuzzFormat(f, events.FormatS3, s3Body, `{"Service":"Amazon S3","Event":"s3:TestEvent"}`)
}

func FuzzCloudEvents(f *testing.F) {
	fuzzFormat(f, events.FormatCloudEvents, ceBody, `{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"eyJuIjoxfQ=="}`)
}

func FuzzCloudEventsBinary(f *testing.F) {
	d := newDecoder(f, events.DecodeConfig{})
	f.Add([]byte(`{"n":1}`), "1.0", "user.created", "1", "/a", "2026-01-02T03:04:05Z")
	f.Fuzz(func(t *testing.T, body []byte, version, name, id, source, at string) {
		checkDecode(t, d, events.Message{Body: body, Format: events.FormatCEBinary, Attributes: map[string]string{
			"ce-specversion": version, "ce_type": name, "ce-id": id, "ce-source": source, "ce-time": at,
		}})
	})
}

func FuzzLaravel(f *testing.F) {
	fuzzFormat(f, events.FormatLaravel, laravelBody)
}

func FuzzRaw(f *testing.F) {
	fuzzFormat(f, events.FormatRaw, `{"event":"user.created","n":1}`, `[1,2]`, `"text"`)
}

// FuzzDecode lets the chain find out, as most queues do.
func FuzzDecode(f *testing.F) {
	fuzzFormat(f, events.FormatAuto, ownBody, ceBody, ebBody, s3Body, laravelBody, snsBody(ceBody, `{}`, ""))
}

// FuzzPayload decodes arbitrary JSON for a listener.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"name":"n","tags":["a"],"attrs":{"k":"v"}}`))
	f.Add([]byte(`{"name":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e := events.Any{ID: "1", Name: "n", Data: events.NewPayload(body)}
		typed, err := events.As[user](e)
		var want user
		if wantErr := json.Unmarshal(body, &want); (err == nil) != (wantErr == nil) {
			t.Fatalf("As says %v, json.Unmarshal says %v", err, wantErr)
		}
		if err != nil {
			if _, ok := errors.AsType[*events.PayloadError](err); !ok {
				t.Errorf("error is %T", err)
			}
			return
		}
		if typed.Data.Name != want.Name || len(typed.Data.Tags) != len(want.Tags) || len(typed.Data.Attrs) != len(want.Attrs) {
			t.Errorf("got %+v, want %+v", typed.Data, want)
		}
	})
}

func TestDecodingTakesBoundedMemory(t *testing.T) {
	const size = 1 << 20
	fill := func(head, unit, tail string) string {
		return head + strings.Repeat(unit, (size-len(head)-len(tail))/len(unit)) + tail
	}
	nested := fill("", `\u00e9"x\`, "")
	for range 3 {
		nested = snsBody(nested[:min(len(nested), size/2)], `{}`, "s")
	}
	for name, body := range map[string]string{
		"many keys":         fill(`{"event":"x"`, `,"":0`, `}`),
		"many keys of ours": fill(`{"fxpond":1,"name":"x","metadata":{"a":""`, `,"":""`, `}}`),
		"many metadata":     fill(`{"fxpond":1,"name":"x","metadata":{"a":""`, `,"`+"\\u0061"+`":""`, `}}`),
		"many attributes":   fill(`{"Type":"Notification","TopicArn":"t","MessageId":"m","Message":"{}","MessageAttributes":{"a":{}`, `,"":{"Value":""}`, `}}`),
		"many records":      fill(`{"Records":[{"eventSource":"aws:s3","eventName":"a"}`, `,{"eventName":"a"}`, `]}`),
		"many brackets":     fill("", "[", ""),
		"many strings":      fill(`["a"`, `,""`, `]`),
		"invalid UTF-8":     fill(`{"Type":"Notification","TopicArn":"t","MessageId":"m","Message":"`, "\xff", `"}`),
		"escapes":           fill(`{"Type":"Notification","TopicArn":"t","MessageId":"m","Message":"`, `\ud800`, `"}`),
		"quotes in quotes":  nested,
		"long name":         fill(`{"event":"`, "x", `"}`),
		"long subject":      fill(`{"Type":"Notification","TopicArn":"t","MessageId":"m","Message":"x","Subject":"`, `\"`, `"}`),
		"long source":       fill(`{"detail-type":"a","time":"t","detail":1,"source":"`, `\"`, `"}`),
		"long job":          fill(`{"displayName":"a","job":"a","data":{"commandName":"`, `\"`, `"}}`),
		"base64":            fill(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"`, "AAAA", `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			checkDecode(t, newDecoder(t, events.DecodeConfig{}), events.Message{Body: []byte(body)})
		})
	}
}

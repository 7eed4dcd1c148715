package sqslocal

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// decoded is one of each kind of member, as requests have them.
type decoded struct {
	Text    string                           `sqs:"Text"`
	Number  *int                             `sqs:"Number"`
	List    []string                         `sqs:"List,Item"`
	Map     map[string]string                `sqs:"Map,Pair"`
	Values  map[string]messageAttributeValue `sqs:"Values,Value"`
	Entries []sendEntry                      `sqs:"Entries,Entry"`
}

func TestReadJSON(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want decoded
	}{
		"empty":              {`{}`, decoded{}},
		"space":              {" {\t\"Text\" :\r\n \"a\" } ", decoded{Text: "a"}},
		"escapes":            {`{"Text":"\"\\\/\b\f\n\r\té😀"}`, decoded{Text: "\"\\/\b\f\n\r\té😀"}},
		"unknown":            {`{"X":[1,-2.5e+3,{"Y":[true,false,null,"z"]}],"Text":"a"}`, decoded{Text: "a"}},
		"null":               {`{"Text":null,"Number":null,"List":null,"Map":null}`, decoded{}},
		"case matters":       {`{"text":"a"}`, decoded{}},
		"zero is not absent": {`{"Number":0}`, decoded{Number: new(int)}},
		"list":               {`{"List":["a","b"]}`, decoded{List: []string{"a", "b"}}},
		"map":                {`{"Map":{"a":"1","b":null}}`, decoded{Map: map[string]string{"a": "1"}}},
		"bytes":              {`{"Values":{"b":{"BinaryValue":"AAH/"}}}`, decoded{Values: map[string]messageAttributeValue{"b": {BinaryValue: []byte{0, 1, 255}}}}},
		"structs":            {`{"Entries":[{"Id":"a"},{"Id":"b"}]}`, decoded{Entries: []sendEntry{{ID: "a"}, {ID: "b"}}}},
		"the last one wins":  {`{"Text":"a","Text":"b"}`, decoded{Text: "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got decoded
			if err := readJSON([]byte(c.in), reflect.ValueOf(&got).Elem()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestReadJSONRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, `{`, `}`, `[]`, `null`, `"a"`, `7`, `{"Text"}`, `{"Text":}`, `{"Text":"a",}`, `{,}`, `{"Text":"a"}}`, `{"Text":"a"} x`,
		`{"Text":'a'}`, `{Text:"a"}`, `{"Text":"a`, `{"Text":"\x"}`, `{"Text":"\u12"}`, `{"Text":"\ud800"}`, `{"Text":"\ud800\u0041"}`, "{\"Text\":\"\x01\"}",
		"{\"Text\":\"\xff\"}", `{"Text":1}`, `{"Text":true}`, `{"Text":{}}`, `{"Text":[]}`, `{"Number":"1"}`, `{"Number":1.5}`, `{"Number":1e3}`,
		`{"Number":99999999999999999999}`, `{"Number":01}`, `{"Number":-}`, `{"List":{}}`, `{"List":"a"}`, `{"List":[1]}`, `{"Map":[]}`, `{"Map":{"a":1}}`,
		`{"X":tru}`, `{"X":1.}`, `{"X":1e}`, `{"Values":{"b":{"BinaryValue":"*"}}}`, `{"X":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		var got decoded
		err := readJSON([]byte(in), reflect.ValueOf(&got).Elem())
		if err == nil {
			t.Errorf("%s: accepted as %+v", in, got)
			continue
		}
		if e := asAPIError(err); e.query != "MalformedInput" || e.status != http.StatusBadRequest {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// FuzzReadJSON holds the reader to encoding/json: it takes no document that encoding/json refuses, and reads the rest alike.
func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"Text":"a\n\u00e9","Number":7,"List":["x"],"Map":{"k":"v"},"Entries":[{"Id":"a","MessageBody":"b"}]}`))
	f.Add([]byte(`{"Values":{"b":{"DataType":"Binary","BinaryValue":"AAH/"}},"Unknown":[{"a":[1.5e-3,null]}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var got decoded
		if err := readJSON(in, reflect.ValueOf(&got).Elem()); err != nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatalf("took what encoding/json refuses: %v", err)
		}
		if text, ok := want["Text"].(string); ok && text != got.Text {
			t.Errorf("read %q, encoding/json reads %q", got.Text, text)
		}
		if out := appendJSON(nil, reflect.ValueOf(got), shapeOf(reflect.TypeFor[decoded]())); !json.Valid(out) {
			t.Errorf("wrote what is no JSON: %s", out)
		}
	})
}

func TestAppendJSONString(t *testing.T) {
	for _, in := range []string{"", "plain", "\"\\\n\r\t\x00\x1f", "é😀<>&", "\u2028"} {
		var back string
		if err := json.Unmarshal(appendJSONString(nil, in), &back); err != nil || back != in {
			t.Errorf("%q came back as %q: %v", in, back, err)
		}
	}
	if got := string(appendJSONString(nil, "a\xffb")); got != `"a\ufffdb"` {
		t.Errorf("got %s", got)
	}
}

func readForm(t *testing.T, form string, v any) error {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p := &queryProtocol{}
	if _, err := p.action(r, []byte("Action=Any&"+form)); err != nil {
		return err
	}
	return p.read(r, nil, reflect.ValueOf(v).Elem())
}

func TestReadQuery(t *testing.T) {
	for form, want := range map[string]decoded{
		"":                             {},
		"Text=a+b%26c":                 {Text: "a b&c"},
		"Number=0":                     {Number: new(int)},
		"Item.1=a&Item.2=b&Item.4=d":   {List: []string{"a", "b"}},
		"Pair.1.Name=k&Pair.1.Value=v": {Map: map[string]string{"k": "v"}},
		"Pair.Name=k&Pair.Value=v":     {Map: map[string]string{"k": "v"}},
		"Entry.1.Id=a&Entry.2.Id=b":    {Entries: []sendEntry{{ID: "a"}, {ID: "b"}}},
		"Entry.1.MessageAttribute.1.Name=k&Entry.1.MessageAttribute.1.Value.BinaryValue=AAH%2F": {
			Entries: []sendEntry{{Attributes: map[string]messageAttributeValue{"k": {BinaryValue: []byte{0, 1, 255}}}}},
		},
	} {
		var got decoded
		if err := readForm(t, form, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v (%v)", form, got, want, err)
		}
	}
	for _, form := range []string{"Text=%zz", "Number=x", "Number=", "Text=%ff", "Values.1.Name=k&Value.1.Name=k&Value.1.Value.BinaryValue=*"} {
		var got decoded
		if err := readForm(t, form, &got); err == nil {
			t.Errorf("%s: accepted as %+v", form, got)
		}
	}
}

func FuzzReadQuery(f *testing.F) {
	f.Add("Text=a&Item.1=b&Pair.1.Name=k&Pair.1.Value=v&Entry.1.Id=a&Entry.1.MessageAttribute.1.Value.DataType=String")
	f.Fuzz(func(t *testing.T, form string) {
		var got decoded
		if err := readForm(t, form, &got); err != nil {
			if e := asAPIError(err); e.server {
				t.Errorf("%q: %v", form, err)
			}
		}
	})
}

func TestHandles(t *testing.T) {
	want := handle{queue: 1 << 63, seq: 42, receipt: 7}
	text := want.String()
	if got, ok := parseHandle(text); !ok || got != want {
		t.Errorf("got %+v %v", got, ok)
	}
	for i := range len(text) { // no changed character goes unnoticed
		changed := []byte(text)
		changed[i] ^= 1
		if got, ok := parseHandle(string(changed)); ok && got == want {
			t.Errorf("%s passes for %s", changed, text)
		}
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add(handle{1, 2, 3}.String())
	f.Add("AQEBgarbage")
	f.Fuzz(func(t *testing.T, text string) {
		if h, ok := parseHandle(text); ok && h.String() != text {
			t.Errorf("%q is read as %q", text, h)
		}
	})
}

// FuzzRequests throws requests at every action: whatever comes, the answer is no server error.
func FuzzRequests(f *testing.F) {
	srv, err := New(Config{Seed: 1, DisableCooldowns: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := srv.Close(); err != nil {
			f.Error(err)
		}
	})
	if _, err := srv.CreateQueue("q", nil); err != nil {
		f.Fatal(err)
	}
	for name := range actions {
		f.Add("AmazonSQS."+name, "", []byte(`{"QueueUrl":"http://x/000000000000/q","QueueName":"q","WaitTimeSeconds":0,"Entries":[{"Id":"a"}],"Attributes":{"a":"b"}}`))
		f.Add("", "application/x-www-form-urlencoded", []byte("Action="+name+"&QueueUrl=/000000000000/q&QueueName=q&Attribute.1.Name=a"))
	}
	f.Fuzz(func(t *testing.T, target, contentType string, body []byte) {
		if bytes.Contains(body, []byte("Wait")) && !bytes.Contains(body, []byte(`"WaitTimeSeconds":0`)) {
			t.Skip("would wait")
		}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", contentType)
		if answer := srv.answer(t.Context(), r, nil); answer.status >= http.StatusInternalServerError {
			t.Errorf("status %d: %s", answer.status, answer.body)
		}
	})
}

package events_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fxpond/fxpond/modules/events"
)

var scanSeeds = []string{
	`{}`, `{"a":1}`, ` { "a" : [1, -0.5e+10, "x\u00e9\n", null, true, false, {}] } `, `[]`, `"x"`, `12`, `-`, `01`, `1.`, `1e`,
	`{"a":}`, `{"a" 1}`, `{a:1}`, `{"a":1,}`, `[1,]`, `{"a":1}}`, `tru`, `nulll`, "\"\x01\"", `"\x"`, `"\u12g4"`, `{"a":1`, `"\u00e9\ud83d\ude00\ud83d\ud83d\u0041\b\f\n\r\t\/\\\""`, `"\ud83d"`, ``, ` `, "\"\xff\"",
}

func FuzzScan(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if value := bytes.TrimSpace(text); json.Valid(value) && utf8.Valid(value) && value[0] == '"' {
			var want string
			if got, ok := events.Text(value); !ok || json.Unmarshal(value, &want) != nil || got != want {
				t.Errorf("%s says %q, want %q", value, got, want)
			}
		}
		members := make(map[string]string)
		object, err := events.ScanObject(text, len(text)+1, func(key, value []byte) {
			var k string
			if err := json.Unmarshal(key, &k); err != nil {
				t.Errorf("key %q: %v", key, err)
			}
			members[k] = string(value)
		})
		if valid := json.Valid(text); valid != (err == nil) {
			t.Fatalf("json.Valid(%q) is %v, scanning says %v", text, valid, err)
		}
		var want map[string]json.RawMessage
		if err != nil || !object || json.Unmarshal(text, &want) != nil {
			return
		}
		if len(want) != len(members) {
			t.Fatalf("%q: %d members, want %d", text, len(members), len(want))
		}
		for k, v := range want {
			if members[k] != string(v) {
				t.Errorf("member %q is %q, want %q", k, members[k], v)
			}
		}
	})
}

func TestScanBoundsTheDepth(t *testing.T) {
	t.Parallel()
	nest := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if _, err := events.ScanObject(nest(128), 128, nil); err != nil {
		t.Errorf("128 levels: %v", err)
	}
	_, err := events.ScanObject(nest(129), 128, nil)
	expectError(t, err, "nested too deeply: more than 128 levels at offset 128")
}

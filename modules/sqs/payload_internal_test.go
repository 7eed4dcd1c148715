package sqs

import (
	"strings"
	"testing"
)

// FuzzPackedBodies reads bodies as a stranger may have written them: no panic, no more memory than the
// limit, and a pointer only where there is one.
func FuzzPackedBodies(f *testing.F) {
	c := newCodec()
	f.Add([]byte(c.compress(strings.Repeat("the same again ", 100))))
	f.Add([]byte("KLUv/aD///9/"))
	f.Add([]byte(`["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]`))
	f.Add([]byte(`[null,{"s3BucketName":"b"}]`))
	f.Add([]byte(`[1,2`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if plain, err := c.decompress(body); err == nil && len(plain) > maxInflated {
			t.Errorf("%d bytes grew to %d", len(body), len(plain))
		}
		if at, ok := parsePointer(body); ok && (at.Bucket == "" || at.Key == "") {
			t.Errorf("%q is no pointer: %+v", body, at)
		}
	})
}

func TestCompressionIsUndone(t *testing.T) {
	t.Parallel()
	c := newCodec()
	for _, body := range []string{"", "x", strings.Repeat("the same again ", 100_000), "{\"a\":\"\u00e4\u4e16\U0001f600\"}"} {
		back, err := c.decompress([]byte(c.compress(body)))
		if err != nil || string(back) != body {
			t.Errorf("%d bytes came back as %d, %v", len(body), len(back), err)
		}
	}
}
